// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** Commands as bytes, and what devices answer, well and badly. */
class ScsiAnswersTest {
    private static byte[] hex(String digits) {
        return HexFormat.of().parseHex(digits.replace(" ", ""));
    }

    private static int sense(byte[] bytes) {
        return Sense.parse(MemorySegment.ofArray(bytes), 0, bytes.length);
    }

    private static byte[] page(int code, byte[]... contents) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (byte[] content : contents) {
            bytes.writeBytes(content);
        }
        return ByteBuffer.allocate(4 + bytes.size())
                .put((byte) 0)
                .put((byte) code)
                .putShort((short) bytes.size())
                .put(bytes.toByteArray())
                .array();
    }

    private static byte[] designator(int codeSet, int type, byte[] name) {
        return ByteBuffer.allocate(4 + name.length)
                .put((byte) codeSet)
                .put((byte) type)
                .put((byte) 0)
                .put((byte) name.length)
                .put(name)
                .array();
    }

    private static InquiryData inquiry() throws ScsiDataException {
        byte[] bytes = new byte[36];
        byte[] text = "ACME    WONDER DISK     1.0 ".getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(text, 0, bytes, 8, text.length);
        return InquiryData.parse(bytes);
    }

    // ---- commands

    @Test
    void commandsAreThoseOfTheStandards() {
        byte[] bytes = new byte[20];
        MemorySegment memory = MemorySegment.ofArray(bytes);
        long block = 0x0102_0304_0506_0708L;
        Cdb.read(memory, 2, block, 9);
        assertCdb("88 00 0102030405060708 00000009 00 00", bytes);
        Cdb.write(memory, 2, block, 9, true);
        assertCdb("8A 08 0102030405060708 00000009 00 00", bytes);
        Cdb.synchronizeCache(memory, 2);
        assertCdb("91 00 0000000000000000 00000000 00 00", bytes);
        Cdb.writeSame(memory, 2, block, 9, true);
        assertCdb("93 08 0102030405060708 00000009 00 00", bytes);
        Cdb.unmap(memory, 2, UnmapList.BYTES);
        assertCdb("42 00 00000000 00 0018 00 000000000000", bytes);
        Cdb.inquiryPage(memory, 2, 0x83, 0x1000);
        assertCdb("12 01 83 1000 00 00000000000000000000", bytes);
        Cdb.readCapacity(memory, 2, 32);
        assertCdb("9E 10 0000000000000000 00000020 00 00", bytes);
        Cdb.reportLuns(memory, 2, 0x1008);
        assertCdb("A0 00 00000000 00001008 00 00 00000000", bytes);
        Cdb.modeSense(memory, 2, 192);
        assertCdb("1A 08 3F 00 C0 00 00000000000000000000", bytes);
        Cdb.persistentReserveIn(memory, 2, PersistentReserve.READ_RESERVATION, 0x2000);
        assertCdb("5E 01 0000000000 2000 00 000000000000", bytes);
        Cdb.persistentReserveOut(memory, 2, PersistentReserve.PREEMPT_AND_ABORT, 7);
        assertCdb("5F 05 07 0000 00000018 00 000000000000", bytes);
        byte[] list = new byte[UnmapList.BYTES];
        UnmapList.put(MemorySegment.ofArray(list), 0, block, 9);
        assertArrayEquals(hex("0016 0010 00000000 0102030405060708 00000009 00000000"), list);
    }

    private static void assertCdb(String expected, byte[] bytes) {
        assertArrayEquals(hex(expected), Arrays.copyOfRange(bytes, 2, 18), expected);
        assertEquals(0, bytes[0] | bytes[1] | bytes[18] | bytes[19]);
    }

    // ---- sense data

    @Test
    void bothFormatsOfSenseDataAreRead() {
        int fixed = sense(hex("70 00 06 00000000 0A 00000000 29 00 00 000000"));
        assertEquals(Sense.UNIT_ATTENTION, Sense.key(fixed));
        assertEquals(Sense.RESET_OCCURRED, Sense.code(fixed));
        int descriptor = sense(hex("72 07 27 07 00000000"));
        assertEquals(Sense.DATA_PROTECT, Sense.key(descriptor));
        assertEquals(Sense.SPACE_ALLOCATION_FAILED, Sense.codeAndQualifier(descriptor));
        assertTrue(Sense.words(descriptor).contains("no more room"));
    }

    @Test
    void senseDataThatAreCutGiveWhatIsThere() {
        byte[] fixed = hex("70 00 06 00000000 0A 00000000 29 00 00 000000");
        assertEquals(Sense.NONE, sense(new byte[0]));
        assertEquals(Sense.NONE, sense(Arrays.copyOf(fixed, 2)));
        assertEquals(Sense.NONE, sense(hex("72 06 29")));
        assertEquals(Sense.NONE, sense(hex("7F 06 29 00")));
        assertEquals(6 << 16, sense(Arrays.copyOf(fixed, 13)));
        assertEquals(-1, Sense.key(Sense.NONE));
    }

    /** Some targets leave the length 0 by which they would say that there is a code. */
    @Test
    void codeIsReadWhateverLengthIsClaimed() {
        int sense = sense(hex("70 00 06 00000000 00 00000000 29 00 00 000000"));
        assertEquals(Sense.RESET_OCCURRED, Sense.code(sense));
    }

    // ---- names

    @Test
    void theBestNameCounts() throws ScsiDataException {
        byte[] six = designator(1, 3, hex("600508b1001c1234 0123456789abcdef"));
        byte[] five = designator(1, 3, hex("5000c50012345678"));
        byte[] two = designator(1, 3, hex("2000c50012345678"));
        byte[] local = designator(1, 3, hex("3000c50012345678"));
        byte[] eui = designator(1, 2, hex("0011223344556677"));
        byte[] t10 = designator(2, 1, "ACME    disk 1".getBytes(StandardCharsets.US_ASCII));
        byte[] own = designator(2, 0, "abc".getBytes(StandardCharsets.US_ASCII));
        byte[] port = designator(1, 0x13, hex("5000c500aaaaaaaa"));
        assertId("3600508b1001c12340123456789abcdef", port, own, t10, eui, local, two, five, six);
        assertId("35000c50012345678", port, own, t10, eui, local, two, five);
        assertId("32000c50012345678", port, own, t10, eui, local, two);
        assertId("33000c50012345678", port, own, t10, eui, local);
        assertId("20011223344556677", port, own, t10, eui);
        assertId("1ACME    disk 1", port, own, t10);
        assertId("0ACME    WONDER DISK     abc", port, own);
        assertId("SACME    WONDER DISK     serial", port);
        assertEquals(Optional.empty(), ScsiId.of(inquiry(), List.of(), ""));
    }

    private static void assertId(String expected, byte[]... designators) throws ScsiDataException {
        List<Designator> found = Designator.parse(page(VitalPages.IDENTIFICATION, designators));
        assertEquals(Optional.of(expected), ScsiId.of(inquiry(), found, "serial"));
    }

    @Test
    void inquiryDataAreRead() throws ScsiDataException {
        InquiryData data = inquiry();
        assertEquals("ACME", data.vendor());
        assertEquals("WONDER DISK", data.product());
        assertEquals("1.0", data.revision());
        assertTrue(data.isDisk());
        assertThrows(ScsiDataException.class, () -> InquiryData.parse(new byte[35]));
    }

    @Test
    void pagesThatLieAreRefused() throws ScsiDataException {
        byte[] good = page(VitalPages.IDENTIFICATION, designator(1, 3, hex("5000c50012345678")));
        byte[] longer = good.clone();
        longer[3]++; // the page says that it has one more byte than came
        assertThrows(ScsiDataException.class, () -> Designator.parse(longer));
        byte[] nameTooLong = good.clone();
        nameTooLong[7] = (byte) 0xFF;
        assertThrows(ScsiDataException.class, () -> Designator.parse(nameTooLong));
        assertThrows(ScsiDataException.class, () -> VitalPages.serial(good));
        byte[] half = page(VitalPages.IDENTIFICATION, new byte[] {1, 3});
        assertThrows(ScsiDataException.class, () -> Designator.parse(half));
        assertEquals("ab_", VitalPages.serial(page(VitalPages.SERIAL, hex("20 61 62 1B 00 63"))));
    }

    // ---- size, limits, LUNs

    @Test
    void capacityIsReadAndImpossibleOnesAreRefused() throws ScsiDataException {
        byte[] data = hex("00000002FFFFFFFF 00000200 00 03 C000 00000000000000000000000000000000");
        Capacity capacity = Capacity.parse(data);
        assertEquals(0x3_0000_0000L, capacity.blocks());
        assertEquals(0x3_0000_0000L * 512, capacity.bytes());
        assertEquals(4096, capacity.physicalBlockBytes());
        assertTrue(capacity.isThin());
        assertTrue(capacity.unmappedIsZero());
        assertFalse(capacity.isProtected());
        for (String wrong :
                List.of(
                        "00000002FFFFFFFF 00000000 00 00 0000",
                        "00000002FFFFFFFF 00000201 00 00 0000",
                        "00000002FFFFFFFF 80000000 00 00 0000",
                        "FFFFFFFFFFFFFFFF 00000200 00 00 0000",
                        "7FFFFFFFFFFFFFFF 00000200 00 00 0000",
                        "003FFFFFFFFFFFFF 00000200 00 00 0000")) {
            assertThrows(ScsiDataException.class, () -> Capacity.parse(hex(wrong)), wrong);
        }
        assertThrows(ScsiDataException.class, () -> Capacity.parse(new byte[15]));
    }

    @Test
    void limitsAreRead() throws ScsiDataException {
        byte[] content = new byte[60];
        ByteBuffer.wrap(content)
                .putInt(4, 2048)
                .putInt(8, 128)
                .putInt(16, 100_000)
                .putInt(20, 1)
                .putInt(24, 8)
                .putInt(28, 0x8000_0003)
                .putLong(32, 65536);
        BlockLimits limits = BlockLimits.parse(page(VitalPages.BLOCK_LIMITS, content));
        assertEquals(new BlockLimits(2048, 128, 100_000, 1, 8, 3, 65536), limits);
        BlockLimits old =
                BlockLimits.parse(page(VitalPages.BLOCK_LIMITS, Arrays.copyOf(content, 12)));
        assertEquals(new BlockLimits(2048, 128, 0, 0, 0, 0, 0), old);
        assertThrows(
                ScsiDataException.class,
                () -> BlockLimits.parse(page(VitalPages.BLOCK_LIMITS, new byte[3])));
        assertEquals(
                new Provisioning(true, false, true),
                Provisioning.parse(page(VitalPages.PROVISIONING, hex("00 84 02 00"))));
    }

    @Test
    void lunsAreNumbersBothWays() throws ScsiDataException {
        for (int number : new int[] {0, 1, 255, 256, 16383}) {
            assertEquals(number, Lun.number(Lun.bytes(number)));
        }
        assertEquals(-1, Lun.number(1)); // second level
        assertEquals(-1, Lun.number(0xC101_0000_0000_0000L)); // well known unit
        byte[] list = hex("00000010 00000000 0001000000000000 4100000000000000");
        assertEquals(List.of(1, 256), Lun.parseList(list).stream().map(Lun::number).toList());
        assertEquals(1, Lun.parseList(Arrays.copyOf(list, 23)).size());
        assertThrows(ScsiDataException.class, () -> Lun.parseList(hex("7FFFFFF8 00000000")));
        assertThrows(ScsiDataException.class, () -> Lun.parseList(new byte[7]));
    }

    @Test
    void keysAndReservationsAreRead() throws ScsiDataException {
        byte[] keys = hex("00000005 00000010 0000000000000001 0000000000000002");
        assertEquals(List.of(1L, 2L), PersistentReserve.keys(keys));
        assertThrows(
                ScsiDataException.class, () -> PersistentReserve.keys(Arrays.copyOf(keys, 20)));
        assertEquals(Optional.empty(), PersistentReserve.holder(hex("00000005 00000000")));
        assertEquals(
                Optional.of(new PersistentReserve.Holder(9, 7)),
                PersistentReserve.holder(
                        hex("00000005 00000010 0000000000000009 00000000 00 07 0000")));
        assertThrows(
                ScsiDataException.class,
                () -> PersistentReserve.holder(hex("00000005 00000010 00000000")));
    }
}
