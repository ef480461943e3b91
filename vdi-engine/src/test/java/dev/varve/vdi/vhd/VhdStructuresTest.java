// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.ByteBuffer;
import java.util.Random;
import java.util.UUID;

/** Each structure as it lies on disk. */
class VhdStructuresTest {
    /** Size and geometry of disks that {@code qemu-img create -f vpc} made. */
    @ParameterizedTest
    @CsvSource({
        "1079296, 001f0411",
        "2123776, 003d0411",
        "4212736, 00790411",
        "8390656, 00f10411",
        "17825792, 02000411",
        "33562624, 03c40411",
        "67125248, 03c40811",
        "104865792, 03ec0c11",
        "133171200, 03fc0f11",
        "524353536, 03f8103f",
        "528482304, 0400103f",
        "530030592, 0403103f",
        "1048707072, 07f0103f",
        "4194312192, 1fbf103f",
        "10486038528, 4f5e103f",
        "68158586880, 7f7410ff",
        "133171200000, f90610ff",
        "136315084800, fee710ff",
        "209715200000, ffff10ff",
        "2190433320960, ffff10ff"
    })
    void geometryIsThatOfOtherPrograms(long sizeBytes, String geometry) {
        int expected = Integer.parseUnsignedInt(geometry, 16);
        assertEquals(Integer.toHexString(expected), Integer.toHexString(VhdGeometry.of(sizeBytes)));
        assertTrue(VhdGeometry.sectors(expected) <= Math.max(1, sizeBytes / 512));
    }

    @Test
    void footerFieldsAreWhereTheFormatPutsThem() {
        VhdFooter footer =
                new VhdFooter(
                        2,
                        512,
                        0x01020304,
                        VhdFooter.CREATOR_TAP,
                        0x00010003,
                        0x11121314,
                        0x2122232425262728L,
                        4 << 20,
                        0x31323334,
                        VhdFooter.Type.DYNAMIC,
                        new UUID(0x4142434445464748L, 0x5152535455565758L),
                        true,
                        true);
        byte[] bytes = footer.encode();
        ByteBuffer out = ByteBuffer.wrap(bytes);
        assertEquals(512, bytes.length);
        assertEquals(
                "conectix", new String(bytes, 0, 8, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(2, out.getInt(8));
        assertEquals(0x00010000, out.getInt(12));
        assertEquals(512, out.getLong(16));
        assertEquals(0x01020304, out.getInt(24));
        assertEquals("tap\0", new String(bytes, 28, 4, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(0x00010003, out.getInt(32));
        assertEquals(0x11121314, out.getInt(36));
        assertEquals(0x2122232425262728L, out.getLong(40));
        assertEquals(4 << 20, out.getLong(48));
        assertEquals(0x31323334, out.getInt(56));
        assertEquals(3, out.getInt(60));
        int sum = 0;
        for (int i = 0; i < 512; i++) {
            sum += i >= 64 && i < 68 ? 0 : bytes[i] & 0xFF;
        }
        assertEquals(~sum, out.getInt(64));
        assertEquals(0x4142434445464748L, out.getLong(68));
        assertEquals(0x5152535455565758L, out.getLong(76));
        assertEquals(1, bytes[84]);
        assertEquals(1, bytes[85]);
        assertTrue(VhdFooter.isReservedZero(bytes));
        assertEquals(footer, VhdFooter.parse(bytes, "the footer"));
        assertEquals(8 << 20, footer.withSize(8 << 20).currentSize());
    }

    @Test
    void headerFieldsAreWhereTheFormatPutsThem() {
        VhdHeader header = new VhdHeader(1536, 1025, 2 << 20);
        byte[] bytes = header.encode();
        ByteBuffer out = ByteBuffer.wrap(bytes);
        assertEquals(1024, bytes.length);
        assertEquals(
                "cxsparse", new String(bytes, 0, 8, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(-1, out.getLong(8));
        assertEquals(1536, out.getLong(16));
        assertEquals(0x00010000, out.getInt(24));
        assertEquals(1025, out.getInt(28));
        assertEquals(2 << 20, out.getInt(32));
        assertTrue(VhdHeader.isReservedZero(bytes));
        assertEquals(header, VhdHeader.parse(bytes));
        assertEquals(512, header.bitmapBytes());
        assertEquals(9 * 512, header.tableBytes());
        assertEquals(1025L * (2 << 20), header.capacityBytes());
        assertEquals(8192, new VhdHeader(1536, 1, 32 << 20).bitmapBytes());
    }

    @Test
    void batmapFieldsAreWhereTheReferencePutsThem() {
        VhdHeader header = new VhdHeader(1536, 1 << 20, 2 << 20);
        Batmap batmap = Batmap.initial(header);
        assertEquals(1536 + (4 << 20), Batmap.headerOffset(header));
        assertEquals(1536 + (4 << 20) + 512, batmap.offset());
        assertEquals(256, batmap.sectors());
        byte[] bits = new byte[512];
        bits[0] = (byte) 0xC0;
        byte[] bytes = batmap.encode(bits);
        ByteBuffer out = ByteBuffer.wrap(bytes);
        assertEquals(
                "tdbatmap", new String(bytes, 0, 8, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(batmap.offset(), out.getLong(8));
        assertEquals(256, out.getInt(16));
        assertEquals(0x00010002, out.getInt(20));
        assertEquals(~0xC0, out.getInt(24));
        Batmap parsed = Batmap.parse(bytes);
        assertTrue(parsed.matches(bits));
        bits[1] = 1;
        assertFalse(parsed.matches(bits));
        assertEquals(512, Batmap.usedBytes(2 << 20, 2 << 20));
        assertEquals(512, Batmap.usedBytes(4096L * (2 << 20), 2 << 20));
        assertEquals(1024, Batmap.usedBytes(4097L * (2 << 20), 2 << 20));
        assertEquals(2040L << 30 >> 24, Batmap.usedBytes(2040L << 30, 2 << 20));
    }

    @Test
    void bitmapsFindRunsAndCount() {
        Random random = new Random(1);
        BlockBitmap bitmap = new BlockBitmap(null, 0, 0, 1024, 512);
        boolean[] model = new boolean[1024];
        for (int round = 0; round < 50; round++) {
            int from = random.nextInt(1024);
            int to = from + 1 + random.nextInt(1024 - from);
            boolean changes = false;
            for (int i = from; i < to; i++) {
                changes |= !model[i];
                model[i] = true;
            }
            assertEquals(changes, bitmap.set(from, to));
            for (int start = 0; start < 1024; start += 7) {
                int end = start + 1;
                while (end < 1000 && model[end] == model[start]) {
                    end++;
                }
                assertEquals(
                        Math.max(1, end - start), bitmap.run(start, Math.max(1000, start + 1)));
            }
        }
        bitmap.set(0, 1024);
        assertTrue(bitmap.isFull());
        assertArrayEquals(new byte[] {-1, -1}, java.util.Arrays.copyOf(bitmap.bits, 2));
    }
}
