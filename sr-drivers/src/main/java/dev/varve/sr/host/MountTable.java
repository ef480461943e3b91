// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.vdi.ErrorCode;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What is mounted where, as {@code /proc/self/mountinfo} tells it.
 *
 * <p><b>Threads:</b> any.
 *
 * @param mounts in the order of mounting
 */
public record MountTable(List<Mount> mounts) {
    private static final Path MOUNTINFO = Path.of("/proc/self/mountinfo");

    /** How many fields stand before the optional ones, which a dash ends. */
    private static final int FIXED_FIELDS = 6;

    /**
     * One mount.
     *
     * @param device the number of the device, {@code major:minor}
     * @param point where it is mounted
     * @param options the options of the mount and of its file system
     * @param type the type of the file system
     * @param source the device as it was named
     */
    public record Mount(
            String device, Path point, List<String> options, String type, String source) {
        /** Copies the list. */
        public Mount {
            options = List.copyOf(options);
        }
    }

    /** Copies the list. */
    public MountTable {
        mounts = List.copyOf(mounts);
    }

    /** What is mounted now. */
    public static MountTable read() {
        return read(MOUNTINFO);
    }

    /** What is mounted now, from a file of the same form. */
    static MountTable read(Path mountInfo) {
        try {
            return parse(Files.readString(mountInfo));
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because("cannot read " + mountInfo + ": " + e, e);
        }
    }

    /** Reads the lines of {@code mountinfo}; a line of another form is an error. */
    static MountTable parse(String text) {
        return new MountTable(text.lines().map(MountTable::line).toList());
    }

    private static Mount line(String line) {
        List<String> fields = Arrays.asList(line.split(" ", -1));
        int dash = fields.size() < FIXED_FIELDS ? -1 : after(fields);
        if (dash < 0 || fields.size() < dash + 4) {
            throw ErrorCode.SR_GENERAL.because(
                    "cannot understand this line of " + MOUNTINFO + ": " + line);
        }
        List<String> options = new ArrayList<>(List.of(fields.get(5).split(",")));
        options.addAll(List.of(fields.get(dash + 3).split(",")));
        return new Mount(
                fields.get(2),
                Path.of(unescape(fields.get(4))),
                options,
                fields.get(dash + 1),
                unescape(fields.get(dash + 2)));
    }

    private static int after(List<String> fields) {
        int dash = fields.subList(FIXED_FIELDS, fields.size()).indexOf("-");
        return dash < 0 ? -1 : FIXED_FIELDS + dash;
    }

    /**
     * The kernel writes blanks, line ends and backslashes as a backslash and three octal digits.
     */
    static String unescape(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream plain = new ByteArrayOutputStream(bytes.length);
        for (int i = 0; i < bytes.length; i++) {
            int value = bytes[i] == '\\' ? octal(bytes, i + 1) : -1;
            plain.write(value < 0 ? bytes[i] : value);
            i += value < 0 ? 0 : 3;
        }
        return plain.toString(StandardCharsets.UTF_8);
    }

    private static int octal(byte[] bytes, int from) {
        if (from + 3 > bytes.length) {
            return -1;
        }
        int value = 0;
        for (int i = from; i < from + 3; i++) {
            if (bytes[i] < '0' || bytes[i] > '7') {
                return -1;
            }
            value = value * 8 + bytes[i] - '0';
        }
        return value <= 0xFF ? value : -1;
    }

    /** What is mounted at a directory: the last mount, which hides the ones before. */
    public Optional<Mount> at(Path point) {
        return mounts.stream().filter(mount -> mount.point().equals(point)).reduce((_, b) -> b);
    }

    /** Where a device is mounted. */
    public List<Mount> of(String device) {
        return mounts.stream().filter(mount -> mount.device().equals(device)).toList();
    }
}
