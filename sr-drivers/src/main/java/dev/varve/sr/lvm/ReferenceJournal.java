// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Work that the reference stack has begun and not ended: a logical volume called {@code
 * <type>_<uuid>_<value>} with the tag {@code journaler}, or {@code jvhd_<uuid>} with the tag {@code
 * jvhd}. Where the name would be too long the value is in the volume, as {@code <length> <value>}.
 *
 * @param name what the logical volume is called
 * @param type what was begun
 * @param uuid the disk
 * @param value what else is to be known; empty when there is nothing
 */
record ReferenceJournal(String name, String type, UUID uuid, String value) {
    private static final Set<String> TAGS = Set.of("journaler", "jvhd");
    private static final Pattern NAME = Pattern.compile("([a-z]+)_([0-9a-f-]{36})(?:_(.*))?");
    private static final Pattern CONTENT = Pattern.compile("([0-9]{1,3}) (.*)", Pattern.DOTALL);
    private static final int CONTENT_BYTES = 512;

    /** The journals among logical volumes. */
    static List<ReferenceJournal> among(
            Iterable<LogicalVolume> volumes, Function<LogicalVolume, VolumeBytes> bytes) {
        List<ReferenceJournal> journals = new ArrayList<>();
        for (LogicalVolume volume : volumes) {
            if (volume.tags().stream().anyMatch(TAGS::contains)) {
                journals.add(of(volume, bytes));
            }
        }
        return journals;
    }

    private static ReferenceJournal of(
            LogicalVolume volume, Function<LogicalVolume, VolumeBytes> bytes) {
        Matcher name = NAME.matcher(volume.name());
        Optional<UUID> uuid =
                name.matches() ? ManagementFields.uuid(name.group(2)) : Optional.empty();
        if (uuid.isEmpty()) {
            return new ReferenceJournal(volume.name(), "unknown", new UUID(0, 0), "");
        }
        String value = name.group(3) != null ? name.group(3) : content(bytes.apply(volume));
        return new ReferenceJournal(volume.name(), name.group(1), uuid.get(), value);
    }

    private static String content(VolumeBytes bytes) {
        String text = new String(bytes.read(0, CONTENT_BYTES), StandardCharsets.ISO_8859_1);
        Matcher content = CONTENT.matcher(text);
        if (!content.matches()) {
            return "";
        }
        int length = Integer.parseInt(content.group(1));
        String value = content.group(2);
        return length <= value.length() ? value.substring(0, length) : "";
    }
}
