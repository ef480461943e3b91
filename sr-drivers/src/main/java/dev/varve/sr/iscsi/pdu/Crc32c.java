// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * The digest of headers and data (RFC 7143, 13.1): CRC-32C, in four bytes after what it covers,
 * least significant byte first. The digest of data covers the padding too.
 *
 * <p>Two ways of feeding it give the same: memory, with tables of our own and without allocation,
 * and a buffer that views memory, with the instructions of the processor.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class Crc32c {
    /** The size of a digest in bytes. */
    public static final int BYTES = 4;

    private static final int POLYNOMIAL = 0x82F63B78;
    private static final int SLICES = 8;
    private static final int[] TABLES = tables();
    private static final ValueLayout.OfInt LITTLE_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final CRC32C processor = new CRC32C();
    private int state;

    /** Makes a digest of nothing yet. */
    public Crc32c() {
        reset();
    }

    /** Table n advances a byte by n further zero bytes. */
    private static int[] tables() {
        int[] tables = new int[SLICES * 256];
        for (int value = 0; value < 256; value++) {
            int remainder = value;
            for (int bit = 0; bit < 8; bit++) {
                remainder = (remainder & 1) != 0 ? remainder >>> 1 ^ POLYNOMIAL : remainder >>> 1;
            }
            tables[value] = remainder;
        }
        for (int at = 256; at < tables.length; at++) {
            int before = tables[at - 256];
            tables[at] = before >>> 8 ^ tables[before & 0xFF];
        }
        return tables;
    }

    /** Begins again with nothing. */
    public void reset() {
        state = -1;
    }

    /** Goes on with bytes in memory. */
    public void update(MemorySegment memory, long offset, long length) {
        long at = offset;
        long end = offset + length;
        int crc = state;
        for (; end - at >= SLICES; at += SLICES) {
            int low = memory.get(LITTLE_INT, at) ^ crc;
            int high = memory.get(LITTLE_INT, at + 4);
            crc =
                    TABLES[7 * 256 + (low & 0xFF)]
                            ^ TABLES[6 * 256 + (low >>> 8 & 0xFF)]
                            ^ TABLES[5 * 256 + (low >>> 16 & 0xFF)]
                            ^ TABLES[4 * 256 + (low >>> 24)]
                            ^ TABLES[3 * 256 + (high & 0xFF)]
                            ^ TABLES[2 * 256 + (high >>> 8 & 0xFF)]
                            ^ TABLES[256 + (high >>> 16 & 0xFF)]
                            ^ TABLES[high >>> 24];
        }
        for (; at < end; at++) {
            int value = memory.get(ValueLayout.JAVA_BYTE, at);
            crc = crc >>> 8 ^ TABLES[(crc ^ value) & 0xFF];
        }
        state = crc;
    }

    /** The digest of what came since {@link #reset}. */
    public int value() {
        return ~state;
    }

    /** Begins again, takes all that remains in a buffer, and gives its digest. */
    public int of(ByteBuffer bytes) {
        processor.reset();
        processor.update(bytes);
        return (int) processor.getValue();
    }

    /** Begins again, takes bytes in memory, and gives their digest. */
    public int of(MemorySegment memory, long offset, long length) {
        reset();
        update(memory, offset, length);
        return value();
    }

    /** Reads a digest from the wire. */
    public static int get(MemorySegment memory, long offset) {
        return memory.get(LITTLE_INT, offset);
    }

    /** Writes a digest as it goes on the wire. */
    public static void put(MemorySegment memory, long offset, int digest) {
        memory.set(LITTLE_INT, offset, digest);
    }
}
