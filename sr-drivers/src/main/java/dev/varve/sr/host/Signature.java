// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What {@code blkid} recognises on a device: a file system, a member of a RAID, a physical volume,
 * a table of partitions.
 *
 * @param type what it is, in the words of {@code blkid}
 * @param uuid its UUID; empty when it has none
 * @param label its label; empty when it has none
 */
public record Signature(String type, String uuid, String label) {
    private static final HostCommand BLKID = new HostCommand("blkid", "util-linux", 60);
    private static final int NOTHING_FOUND = 2;
    private static final int SEVERAL_FOUND = 8;

    /** Looks at the device itself, past the cache of {@code blkid}. */
    public static Optional<Signature> of(HostDevice device) {
        HostCommand.Result result =
                BLKID.run(
                        ErrorCode.SR_UNAVAILABLE,
                        List.of("-p", "-o", "export", device.node().toString()));
        return switch (result.status()) {
            case 0 -> parse(result.output());
            case NOTHING_FOUND -> nothing(device, result);
            case SEVERAL_FOUND -> Optional.of(new Signature("several signatures", "", ""));
            default ->
                    throw BLKID.failed(
                            ErrorCode.SR_UNAVAILABLE, "look at " + device.given(), result);
        };
    }

    /** The same status says that the device cannot be read; only then there is a message. */
    private static Optional<Signature> nothing(HostDevice device, HostCommand.Result result) {
        if (!result.errors().isBlank()) {
            throw BLKID.failed(ErrorCode.SR_UNAVAILABLE, "look at " + device.given(), result);
        }
        return Optional.empty();
    }

    /** Reads lines of the form {@code KEY=value}; a line of another form is an error. */
    static Optional<Signature> parse(String output) {
        Map<String, String> values = new TreeMap<>();
        for (String line : output.lines().toList()) {
            int equals = line.indexOf('=');
            if (equals <= 0) {
                throw ErrorCode.SR_GENERAL.because(
                        "cannot understand this line that blkid has printed: " + line);
            }
            values.put(line.substring(0, equals), unescape(line.substring(equals + 1)));
        }
        String type = values.get("TYPE");
        String table = values.get("PTTYPE");
        if (type == null && table == null) {
            // Partitions are described by the table that they are in, whatever they hold.
            return Optional.empty();
        }
        return Optional.of(
                type != null
                        ? new Signature(
                                type,
                                values.getOrDefault("UUID", ""),
                                values.getOrDefault("LABEL", ""))
                        : new Signature(
                                table + " partition table", values.getOrDefault("PTUUID", ""), ""));
    }

    /**
     * In this format {@code blkid} puts a backslash before what a shell would not take as it is.
     */
    private static String unescape(String value) {
        StringBuilder plain = new StringBuilder(value.length());
        for (int i = 0; i < value.length(); i++) {
            boolean escape = value.charAt(i) == '\\' && i + 1 < value.length();
            plain.append(value.charAt(escape ? ++i : i));
        }
        return plain.toString();
    }

    /** What it is, for a person. */
    public String describe() {
        return type
                + (label.isEmpty() ? "" : " \"" + label + "\"")
                + (uuid.isEmpty() ? "" : " " + uuid);
    }

    /** What they are, for a person, with "and" between them. */
    public static String describe(List<Signature> all) {
        return all.stream().map(Signature::describe).collect(Collectors.joining(" and "));
    }
}
