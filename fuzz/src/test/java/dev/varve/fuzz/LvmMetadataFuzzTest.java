// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.sr.lvm.meta.Author;
import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.Label;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.VolumeGroup;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Any bytes as a label, as the header of a metadata area or as the text of a group: refused, or
 * understood, so that a group that was changed is read again as what was written, and nothing is
 * written outside the metadata area. Checksums are made right, since anyone can do that.
 */
@Tag("fuzz")
class LvmMetadataFuzzTest {
    private static final int SECTOR = 512;
    private static final int AREA_OFFSET = 4096;
    private static final int AREA_BYTES = 60 << 10;
    private static final int TEXT_OFFSET = AREA_OFFSET + SECTOR;
    private static final int DEVICE_BYTES = 1 << 20;
    private static final Author AUTHOR = Author.of(RandomSource.of(new Random(1)), Clock.system());
    private static final Path NO_LOCKS = Path.of("/nonexistent/locks");

    private static MemoryMedium device() {
        MemoryMedium medium = new MemoryMedium(DEVICE_BYTES);
        byte[] label = new byte[SECTOR];
        ByteBuffer buffer = ByteBuffer.wrap(label).order(ByteOrder.LITTLE_ENDIAN);
        buffer.put(ascii("LABELONE")).putLong(1).putInt(0).putInt(32).put(ascii("LVM2 001"));
        buffer.put(ascii("aaaaaabbbbccccddddeeeeffff000001")).putLong(DEVICE_BYTES);
        buffer.putLong(128 << 10).putLong(0).putLong(0).putLong(0);
        buffer.putLong(AREA_OFFSET).putLong(AREA_BYTES).putLong(0).putLong(0);
        buffer.putInt(2).putInt(1);
        putChecksum(label, 16, 20);
        medium.write(SECTOR, label);
        return medium;
    }

    private static byte[] header(byte[] text) {
        byte[] header = new byte[SECTOR];
        ByteBuffer buffer = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(0).put(ascii(" LVM2 x[5A%r0N*>")).putInt(1);
        buffer.putLong(AREA_OFFSET).putLong(AREA_BYTES);
        buffer.putLong(SECTOR).putLong(text.length).putInt(checksum(text, 0)).putInt(0);
        putChecksum(header, 0, 4);
        return header;
    }

    private static byte[] text() {
        return ascii(
                """
                VG {
                id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000000"
                seqno = 7
                format = "lvm2" # the only one
                status = ["RESIZEABLE", "READ", "WRITE"]
                tags = ["one"]
                extent_size = 8
                physical_volumes {
                pv0 {
                id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000001"
                status = ["ALLOCATABLE"]
                pe_start = 256
                pe_count = 100
                } }
                logical_volumes {
                LV {
                id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-000002"
                status = ["READ", "WRITE", "VISIBLE"]
                creation_host = "a\\"b"
                segment_count = 1
                segment1 {
                start_extent = 0
                extent_count = 2
                type = "striped"
                stripe_count = 1
                stripes = ["pv0", 3]
                } } } }
                contents = "Text Format Volume Group"
                version = 1
                """);
    }

    static Stream<byte[]> labels() {
        return Stream.of(device().read(SECTOR, SECTOR), new byte[SECTOR]);
    }

    static Stream<byte[]> headers() {
        return Stream.of(header(text()), new byte[SECTOR]);
    }

    static Stream<byte[]> texts() {
        return Stream.of(text(), ascii("a{b=[1,'x',2.5]}"), new byte[0]);
    }

    @MethodSource("labels")
    @FuzzTest(maxDuration = "1m")
    void refusesALabelOrUnderstandsIt(byte[] input) {
        byte[] sector = Arrays.copyOf(input, SECTOR);
        putChecksum(sector, 16, 20);
        MemoryMedium medium = device();
        medium.write(SECTOR, sector);
        medium.write(AREA_OFFSET, header(text()));
        medium.write(TEXT_OFFSET, text());
        Optional<Label> label;
        try {
            label = GroupMetadata.label(medium);
        } catch (StorageException refused) {
            assertEquals(ErrorCode.PVS_FAILED, refused.code());
            return;
        }
        if (label.isPresent()) {
            use(medium);
        }
    }

    @MethodSource("headers")
    @FuzzTest(maxDuration = "1m")
    void refusesAHeaderOrUnderstandsIt(byte[] input) {
        byte[] sector = Arrays.copyOf(input, SECTOR);
        putChecksum(sector, 0, 4);
        MemoryMedium medium = device();
        medium.write(AREA_OFFSET, sector);
        medium.write(TEXT_OFFSET, text());
        use(medium);
    }

    @MethodSource("texts")
    @FuzzTest(maxDuration = "1m")
    void refusesATextOrUnderstandsIt(byte[] input) {
        byte[] text = Arrays.copyOf(input, Math.clamp(input.length, 1, AREA_BYTES - SECTOR));
        MemoryMedium medium = device();
        medium.write(AREA_OFFSET, header(text));
        medium.write(TEXT_OFFSET, text);
        use(medium);
    }

    /** Reads the group, changes it where that is allowed, and reads it again. */
    private static void use(MemoryMedium medium) {
        byte[] before = medium.read(0, DEVICE_BYTES);
        try {
            GroupMetadata metadata = open(medium);
            change(metadata);
            GroupMetadata again = open(medium);
            assertEquals(shown(metadata.group()), shown(again.group()));
            assertTrue(again.group().refusal().isEmpty());
        } catch (StorageException refused) {
            assertTrue(refused.code().isBackendFailure(), refused.getMessage());
        }
        byte[] after = medium.read(0, DEVICE_BYTES);
        for (Label.Area area : GroupMetadata.label(medium).orElseThrow().metadataAreas()) {
            int start = (int) Math.min(area.offset(), DEVICE_BYTES);
            int end = (int) Math.min(area.offset() + area.size(), DEVICE_BYTES);
            Arrays.fill(before, start, end, (byte) 0);
            Arrays.fill(after, start, end, (byte) 0);
        }
        assertTrue(Arrays.equals(before, after), "written outside the metadata area");
    }

    private static GroupMetadata open(MemoryMedium medium) {
        return GroupMetadata.open(List.of(medium), AUTHOR, NO_LOCKS);
    }

    private static void change(GroupMetadata metadata) {
        GroupEdit edit = metadata.edit();
        if (edit.freeExtents() > 0 && edit.volume("new").isEmpty()) {
            edit.create("new", 1, List.of("tag"));
        }
        for (LogicalVolume volume : metadata.group().volumes().values()) {
            if (volume.extents() > 1) {
                edit.reduce(volume.name(), 1);
            }
        }
        metadata.commit(edit.done());
    }

    private static String shown(VolumeGroup group) {
        return group
                + " "
                + group.id()
                + group.tags()
                + group.status()
                + group.physicalVolumes()
                + group.volumes()
                + group.freeExtents();
    }

    private static void putChecksum(byte[] bytes, int at, int from) {
        int checksum = checksum(bytes, from);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, checksum);
    }

    private static int checksum(byte[] bytes, int from) {
        int crc = 0xF597A6CF;
        for (int at = from; at < bytes.length; at++) {
            crc ^= bytes[at] & 0xFF;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) != 0 ? crc >>> 1 ^ 0xEDB88320 : crc >>> 1;
            }
        }
        return crc;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
