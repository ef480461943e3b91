// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.io.ByteArrayOutputStream;
import java.util.Map;

/**
 * Writes the text of a group: the group itself, then a few words on the text.
 *
 * <p>The group comes first, because {@code lvm2} takes the name of the group from the first bytes.
 * The sections of volumes are made once and kept with them, so a commit of a large group mostly
 * copies. {@code docs/formats/lvm2.md} lists the keys.
 */
final class GroupText {
    /** What names the format of the text. */
    static final String CONTENTS = "Text Format Volume Group";

    static final int VERSION = 1;
    private static final int AVERAGE_VOLUME_BYTES = 400;

    private GroupText() {}

    /** The text of a group, with the zero byte that ends it. */
    static byte[] of(VolumeGroup group, Author author) {
        int expected = 4096 + group.volumes().size() * AVERAGE_VOLUME_BYTES;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(expected);
        bytes.writeBytes(head(group));
        if (!group.volumes().isEmpty()) {
            bytes.writeBytes(new ConfigWriter().line().begin(GroupReader.LOGICAL_VOLUMES).bytes());
            for (LogicalVolume volume : group.volumes().values()) {
                bytes.writeBytes(volume.text());
            }
            bytes.writeBytes(new ConfigWriter().end().bytes());
        }
        bytes.writeBytes(tail(group, author));
        bytes.write(0);
        return bytes.toByteArray();
    }

    private static byte[] head(VolumeGroup group) {
        ConfigWriter writer =
                new ConfigWriter()
                        .begin(group.name())
                        .put("id", group.id().text())
                        .put("seqno", group.sequence())
                        .put("format", "lvm2")
                        .put("status", group.status())
                        .put("flags", group.flags())
                        .putIfAny("tags", group.tags())
                        .put("extent_size", group.head().extentSectors());
        group.head().other().forEach((key, node) -> putValue(writer, key, node));
        writer.line().begin(GroupReader.PHYSICAL_VOLUMES);
        for (PhysicalVolume pv : group.physicalVolumes().values()) {
            put(writer, pv);
        }
        return writer.end().bytes();
    }

    /** Sections that are not understood come behind those that are, as lvm2 has it. */
    private static void putValue(ConfigWriter writer, String key, ConfigNode node) {
        if (!(node instanceof ConfigNode.Section)) {
            writer.putAll(Map.of(key, node));
        }
    }

    private static void put(ConfigWriter writer, PhysicalVolume pv) {
        writer.line()
                .begin(pv.name())
                .put("id", pv.id().text())
                .put("device", pv.device())
                .line()
                .put("status", pv.status())
                .put("flags", pv.flags())
                .putIfAny("tags", pv.tags())
                .put("dev_size", pv.deviceSectors())
                .put("pe_start", pv.startSector())
                .put("pe_count", pv.extents())
                .putAll(pv.other())
                .end();
    }

    /** The section of a logical volume. */
    static byte[] of(LogicalVolume volume) {
        ConfigWriter writer =
                new ConfigWriter()
                        .line()
                        .begin(volume.name())
                        .put("id", volume.id().text())
                        .put("status", volume.status())
                        .put("flags", volume.flags())
                        .putIfAny("tags", volume.tags());
        if (volume.creationTime() != 0) {
            writer.put("creation_time", volume.creationTime());
        }
        if (!volume.creationHost().isEmpty()) {
            writer.put("creation_host", volume.creationHost());
        }
        writer.putAll(volume.other()).put("segment_count", volume.segments().size()).line();
        int number = 1;
        for (Segment segment : volume.segments()) {
            put(writer, "segment" + number++, segment);
        }
        return writer.end().bytes();
    }

    private static void put(ConfigWriter writer, String name, Segment segment) {
        writer.begin(name);
        switch (segment) {
            case Segment.Linear linear ->
                    writer.put("start_extent", linear.startExtent())
                            .put("extent_count", linear.extentCount())
                            .line()
                            .put("type", GroupReader.STRIPED)
                            .put("stripe_count", 1)
                            .line()
                            .putPlace("stripes", linear.pv(), linear.pvExtent());
            case Segment.Other other -> writer.putAll(other.text().entries());
        }
        writer.end();
    }

    private static byte[] tail(VolumeGroup group, Author author) {
        ConfigWriter writer = new ConfigWriter();
        group.head()
                .other()
                .forEach(
                        (key, node) -> {
                            if (node instanceof ConfigNode.Section section) {
                                writer.line().begin(key).putAll(section.entries()).end();
                            }
                        });
        return writer.line()
                .end()
                .line()
                .put("contents", CONTENTS)
                .put("version", VERSION)
                .line()
                .put("description", "Written by Varve")
                .line()
                .put("creation_host", author.host())
                .put("creation_time", author.seconds())
                .line()
                .bytes();
    }
}
