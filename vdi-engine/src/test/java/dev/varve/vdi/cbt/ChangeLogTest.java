// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.Test;

import java.util.Base64;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;

/** The bytes of a log, and sets of blocks. */
class ChangeLogTest {
    private static final long BLOCK = ChangedBlocks.BLOCK_BYTES;

    /** Header and bitmap as cbt-util leaves them for a disk of 1 GiB. */
    @Test
    void hasTheLayoutOfTheReference() {
        UUID parent = UUID.fromString("00112233-4455-6677-8899-aabbccddeeff");
        UUID child = UUID.fromString("f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f");
        ChangeLogHeader header =
                ChangeLogHeader.complete(Optional.of(parent), Optional.of(child), 1L << 30);
        byte[] expected =
                HexFormat.of()
                        .parseHex(
                                "00112233445566778899aabbccddeeff"
                                        + "f0e1d2c3b4a5968778695a4b3c2d1e0f"
                                        + "01000000"
                                        + "00000000"
                                        + "0000004000000000");
        assertArrayEquals(expected, header.encode());
        assertEquals(header, ChangeLogHeader.parse(expected));
        assertEquals(2096 - 48, ChangedBlocks.bitmapBytes(1L << 30));
        assertEquals(4096, ChangeLog.volumeBytes(1L << 30));
    }

    @Test
    void knowsNoParentAndNoChildAsZero() {
        byte[] bytes = new byte[48];
        bytes[42] = 1;
        ChangeLogHeader header = ChangeLogHeader.parse(bytes);
        assertEquals(Optional.empty(), header.parent());
        assertEquals(Optional.empty(), header.child());
        assertEquals(65536, header.sizeBytes());
        assertFalse(header.isTrusted());
        assertArrayEquals(bytes, header.encode());
    }

    @Test
    void trustsALogThatIsAheadUntilAnotherProgramHasWrittenIt() {
        ChangeLogHeader complete =
                ChangeLogHeader.complete(Optional.empty(), Optional.empty(), 1 << 20);
        byte[] bytes = complete.leading().encode();
        assertArrayEquals(new byte[4], java.util.Arrays.copyOfRange(bytes, 32, 36));
        assertEquals("VRVA", new String(bytes, 36, 4, java.nio.charset.StandardCharsets.US_ASCII));
        assertTrue(ChangeLogHeader.parse(bytes).isTrusted());
        bytes[32] = 1;
        assertFalse(ChangeLogHeader.parse(bytes).ahead());
        assertFalse(complete.givenUp().isTrusted());
        assertEquals(complete, complete.leading().completed());
    }

    @Test
    void refusesHeadersThatMakeNoSense() {
        byte[] good =
                ChangeLogHeader.complete(Optional.empty(), Optional.empty(), 1 << 20).encode();
        byte[] consistent = good.clone();
        consistent[33] = 1;
        byte[] huge = good.clone();
        huge[46] = 8;
        byte[] negative = good.clone();
        negative[47] = -1;
        byte[] none = good.clone();
        none[42] = 0;
        for (byte[] bad : new byte[][] {consistent, huge, negative, none, new byte[47]}) {
            StorageException refused =
                    assertThrows(StorageException.class, () -> ChangeLogHeader.parse(bad));
            assertEquals(ErrorCode.VDI_LOAD, refused.code());
        }
    }

    @Test
    void keepsTheFirstBlockInTheLowestBitAndTellsItInTheHighest() {
        ChangedBlocks blocks = new ChangedBlocks(20 * BLOCK);
        blocks.add(0, 1);
        blocks.add(9 * BLOCK + 512, 512);
        blocks.add(19 * BLOCK - 1, 2);
        assertArrayEquals(new byte[] {1, 2, 0x0C}, blocks.toLogBytes());
        byte[] told = Base64.getDecoder().decode(blocks.toBase64());
        assertArrayEquals(new byte[] {(byte) 0x80, 0x40, 0x30}, told);
        assertEquals(4, blocks.count());
        assertEquals("", new ChangedBlocks(0).toBase64());
    }

    /** A bit behind the end would come to light when the disk becomes larger. */
    @Test
    void takesNoBitsBehindTheEndOver() {
        ChangedBlocks blocks =
                ChangedBlocks.ofLogBytes(3 * BLOCK, new byte[] {(byte) 0xFF, (byte) 0xFF, -1});
        assertEquals(3, blocks.count());
        assertEquals(3, blocks.resized(100 * BLOCK).count());
        blocks.add(2 * BLOCK, 1L << 40);
        assertArrayEquals(new byte[] {7}, blocks.toLogBytes());
    }

    @Test
    void aPartOfABlockAtTheEndCounts() {
        ChangedBlocks blocks = new ChangedBlocks(2 * BLOCK + 4096);
        blocks.addFrom(2 * BLOCK);
        assertTrue(blocks.contains(2));
        assertEquals(4096, blocks.run(2 * BLOCK));
        assertEquals(2 * BLOCK, blocks.run(0));
        ChangedBlocks larger = blocks.resized(4 * BLOCK);
        larger.addFrom(2 * BLOCK + 4096);
        assertEquals(2, larger.count());
    }

    @Test
    void agreesWithASimpleSet() {
        Random random = new Random(7);
        for (int round = 0; round < 300; round++) {
            long size = 1 + random.nextLong(300 * BLOCK);
            ChangedBlocks blocks = new ChangedBlocks(size);
            BitSet model = new BitSet();
            for (int i = 0; i < 5; i++) {
                long offset = random.nextLong(size);
                long length = 1 + random.nextLong(random.nextBoolean() ? BLOCK : size);
                blocks.add(offset, length);
                long last = Math.min(size, offset + length) - 1;
                model.set((int) (offset / BLOCK), (int) (last / BLOCK) + 1);
            }
            assertEquals(model.cardinality(), blocks.count());
            byte[] log = blocks.toLogBytes();
            assertEquals(model, BitSet.valueOf(log));
            assertArrayEquals(log, ChangedBlocks.ofLogBytes(size, log).toLogBytes());
            for (long at = 0; at < size; at += blocks.run(at)) {
                boolean here = model.get((int) (at / BLOCK));
                assertEquals(here, blocks.contains(at / BLOCK));
                long end = at + blocks.run(at);
                long next = here ? model.nextClearBit((int) (at / BLOCK)) : next(model, at, size);
                assertEquals(Math.min(size, next * BLOCK), end);
            }
        }
    }

    private static long next(BitSet model, long at, long size) {
        int set = model.nextSetBit((int) (at / BLOCK));
        return set < 0 ? ChangedBlocks.blocks(size) : set;
    }
}
