// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.cbt.ChangeLogHeader;
import dev.varve.vdi.cbt.ChangedBlocks;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.Arrays;
import java.util.Base64;
import java.util.BitSet;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Any bytes as a log of changed blocks: refused, or understood so that writing it gives the same
 * again, and so that its runs, its bits and what clients get are the same set.
 */
@Tag("fuzz")
class ChangeLogFuzzTest {
    private static final long LARGEST_BYTES = 1L << 30;

    static Stream<byte[]> logs() {
        return Stream.of(
                log(true, false, 1 << 20, 0x01, 0x80),
                log(false, true, (3 << 20) + 4096, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F),
                log(false, false, 512),
                new byte[ChangeLogHeader.BYTES]);
    }

    private static byte[] log(boolean consistent, boolean ahead, long sizeBytes, int... bitmap) {
        byte[] header =
                new ChangeLogHeader(
                                Optional.of(new UUID(1, 2)),
                                Optional.empty(),
                                consistent,
                                ahead,
                                sizeBytes)
                        .encode();
        byte[] log = Arrays.copyOf(header, header.length + bitmap.length);
        for (int i = 0; i < bitmap.length; i++) {
            log[header.length + i] = (byte) bitmap[i];
        }
        return log;
    }

    @MethodSource("logs")
    @FuzzTest(maxDuration = "1m")
    void refusesALogOrUnderstandsIt(byte[] input) {
        ChangeLogHeader header;
        try {
            header = ChangeLogHeader.parse(input);
        } catch (StorageException refused) {
            return;
        }
        assertEquals(header, ChangeLogHeader.parse(header.encode()));
        assertTrue(header.isTrusted() == (header.consistent() || header.ahead()));
        if (header.sizeBytes() <= LARGEST_BYTES) {
            byte[] bitmap = Arrays.copyOfRange(input, ChangeLogHeader.BYTES, input.length);
            check(ChangedBlocks.ofLogBytes(header.sizeBytes(), bitmap), bitmap);
        }
    }

    private static void check(ChangedBlocks blocks, byte[] bitmap) {
        int count = (int) ((blocks.sizeBytes() - 1) / ChangedBlocks.BLOCK_BYTES) + 1;
        BitSet expected = BitSet.valueOf(bitmap);
        expected.clear(count, Math.max(count, expected.length()));
        assertEquals(expected, BitSet.valueOf(blocks.toLogBytes()));
        assertEquals(expected.cardinality(), blocks.count());
        byte[] told = Base64.getDecoder().decode(blocks.toBase64());
        long dirty = 0;
        for (long at = 0; at < blocks.sizeBytes(); at += blocks.run(at)) {
            int block = (int) (at / ChangedBlocks.BLOCK_BYTES);
            boolean here = expected.get(block);
            assertEquals(here, (told[block / 8] & 0x80 >> block % 8) != 0);
            dirty += here ? blocks.run(at) : 0;
        }
        assertTrue(dirty <= blocks.count() * ChangedBlocks.BLOCK_BYTES);
    }
}
