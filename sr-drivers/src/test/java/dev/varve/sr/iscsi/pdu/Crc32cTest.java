// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

class Crc32cTest {
    private final Crc32c digest = new Crc32c();

    private static MemorySegment memory(int bytes, int first, int step) {
        MemorySegment memory = Arena.ofAuto().allocate(bytes, 8);
        for (int i = 0; i < bytes; i++) {
            memory.set(ValueLayout.JAVA_BYTE, i, (byte) (first + i * step));
        }
        return memory;
    }

    /** The bytes on the wire are those of the examples in RFC 3720, B.4. */
    @Test
    void examplesOfTheStandard() {
        assertWire(0xAA36918A, memory(32, 0, 0));
        assertWire(0x43ABA862, memory(32, 0xFF, 0));
        assertWire(0x4E79DD46, memory(32, 0, 1));
        assertWire(0x5CDB3F11, memory(32, 31, -1));
    }

    private void assertWire(int expected, MemorySegment bytes) {
        MemorySegment wire = Arena.ofAuto().allocate(8, 8);
        Crc32c.put(wire, 1, digest.of(bytes, 0, bytes.byteSize()));
        int bigEndian =
                wire.get(
                        ValueLayout.JAVA_INT_UNALIGNED.withOrder(java.nio.ByteOrder.BIG_ENDIAN), 1);
        assertEquals(expected, bigEndian, () -> Integer.toHexString(bigEndian));
        assertEquals(digest.value(), Crc32c.get(wire, 1));
    }

    @Test
    void tablesAndProcessorGiveTheSameHoweverItIsCut() {
        Random random = new Random(7);
        MemorySegment memory = Arena.ofAuto().allocate(4096, 8);
        for (int round = 0; round < 200; round++) {
            byte[] bytes = new byte[random.nextInt(4000)];
            random.nextBytes(bytes);
            int start = random.nextInt(64);
            MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, start, bytes.length);
            int cut = bytes.length == 0 ? 0 : random.nextInt(bytes.length);
            digest.reset();
            digest.update(memory, start, cut);
            digest.update(memory, start + cut, bytes.length - cut);
            int value = digest.value();
            assertEquals(value, digest.of(memory.asSlice(start, bytes.length).asByteBuffer()));
        }
    }

    @Test
    void serialNumbersBeginAgain() {
        assertEquals(5, SerialNumbers.later(5, -3));
        assertEquals(Integer.MIN_VALUE, SerialNumbers.later(Integer.MAX_VALUE, Integer.MIN_VALUE));
    }
}
