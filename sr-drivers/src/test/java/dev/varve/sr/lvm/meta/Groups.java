// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.CrashMedium;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/** Groups for tests. */
final class Groups {
    static final int EXTENT_BYTES = 512;
    static final int EXTENTS = 128;
    static final int DATA_OFFSET = 32 << 10;
    static final int AREA_BYTES = 28 << 10;
    static final Path NO_LOCKS = Path.of("/nonexistent/locks");

    /** Everything that it makes is the same in each run. */
    static final Author AUTHOR = author(1);

    private Groups() {}

    static Author author(long seed) {
        Clock clock =
                new Clock() {
                    @Override
                    public long nanoTime() {
                        return 0;
                    }

                    @Override
                    public long epochMillis() {
                        return 1_700_000_000_000L;
                    }
                };
        return new Author(RandomSource.of(new Random(seed)), clock, "host");
    }

    /** A small device with a group whose metadata area has 28 KiB, and 128 extents. */
    static CrashMedium device(int blockBytes) {
        return device(blockBytes, false);
    }

    /** The same with a second metadata area at the end, as {@code pvcreate} can make it. */
    static CrashMedium deviceWithTwoAreas() {
        return device(512, true);
    }

    private static CrashMedium device(int blockBytes, boolean second) {
        int size = DATA_OFFSET + EXTENTS * EXTENT_BYTES + AREA_BYTES;
        CrashMedium medium = new CrashMedium("disk", size, blockBytes);
        List<Label.Area> areas =
                List.of(
                        new Label.Area(4096, AREA_BYTES),
                        new Label.Area(size - AREA_BYTES, AREA_BYTES));
        Label label =
                new Label(
                        1,
                        new LvmId(id(1)),
                        size,
                        List.of(new Label.Area(DATA_OFFSET, 0)),
                        second ? areas : areas.subList(0, 1),
                        Label.EXTENSION_VERSION,
                        Label.USED,
                        List.of());
        medium.write(Label.BYTES, label.encode());
        byte[] text = GroupText.of(empty(EXTENTS), AUTHOR);
        for (Label.Area area : label.metadataAreas()) {
            MetadataArea metadata = new MetadataArea(medium, area);
            TextPlace place = metadata.place(text.length);
            metadata.writeText(place, text);
            metadata.writeHeader(place, text);
        }
        medium.flush();
        return medium;
    }

    static GroupMetadata open(BlockMedium... media) {
        return GroupMetadata.open(List.of(media), AUTHOR, NO_LOCKS);
    }

    /** The text of a group, by which two can be compared. */
    static String text(VolumeGroup group) {
        return new String(GroupText.of(group, AUTHOR), StandardCharsets.ISO_8859_1);
    }

    /** An identifier that is told from others by its number. */
    static String id(int number) {
        return "aaaaaa-bbbb-cccc-dddd-eeee-ffff-%06d".formatted(number);
    }

    static VolumeGroup read(String text) {
        return GroupReader.read(text.getBytes(StandardCharsets.ISO_8859_1), "disk");
    }

    /** A group of physical volumes without anything on them. */
    static VolumeGroup empty(long... extents) {
        StringBuilder pvs = new StringBuilder();
        for (int at = 0; at < extents.length; at++) {
            pvs.append(
                    """
                    pv%d { id = "%s" status = ["ALLOCATABLE"] pe_start = 64 pe_count = %d }
                    """
                            .formatted(at, id(at + 1), extents[at]));
        }
        return read(
                """
                group {
                id = "%s" seqno = 1 extent_size = 1 status = ["RESIZEABLE", "READ", "WRITE"]
                physical_volumes {
                %s}
                }
                contents = "Text Format Volume Group"
                version = 1
                """
                        .formatted(id(0), pvs));
    }
}
