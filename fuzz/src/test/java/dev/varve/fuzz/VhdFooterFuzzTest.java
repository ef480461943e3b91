// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.vhd.VhdFooter;
import dev.varve.vdi.vhd.VhdHeader;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * Any bytes as a footer or a header: refused, or understood so that writing it gives the same
 * again.
 */
@Tag("fuzz")
class VhdFooterFuzzTest {
    static Stream<byte[]> footers() {
        return Stream.of(
                VhdBytes.footer(1 << 30, VhdFooter.Type.DYNAMIC, true).encode(),
                VhdBytes.footer(1 << 20, VhdFooter.Type.FIXED, false).encode(),
                new byte[VhdFooter.BYTES]);
    }

    static Stream<byte[]> headers() {
        return Stream.of(
                new VhdHeader(1536, 1 << 20, 2 << 20).encode(),
                new VhdHeader(1536, 1, 64 << 10).encode(),
                new byte[VhdHeader.BYTES]);
    }

    @MethodSource("footers")
    @FuzzTest(maxDuration = "1m")
    void refusesAFooterOrUnderstandsIt(byte[] input) {
        byte[] sector = Arrays.copyOf(input, VhdFooter.BYTES);
        setChecksum(sector, 64);
        VhdFooter footer;
        try {
            footer = VhdFooter.parse(sector, "the footer");
        } catch (StorageException refused) {
            return;
        }
        assertEquals(footer, VhdFooter.parse(footer.encode(), "the footer"));
    }

    @MethodSource("headers")
    @FuzzTest(maxDuration = "1m")
    void refusesAHeaderOrUnderstandsIt(byte[] input) {
        byte[] bytes = Arrays.copyOf(input, VhdHeader.BYTES);
        setChecksum(bytes, 36);
        VhdHeader header;
        try {
            header = VhdHeader.parse(bytes);
        } catch (StorageException refused) {
            return;
        }
        VhdHeader again = VhdHeader.parse(header.encode());
        assertEquals(header.tableOffset(), again.tableOffset());
        assertEquals(header.maxTableEntries(), again.maxTableEntries());
        assertEquals(header.blockBytes(), again.blockBytes());
    }

    private static void setChecksum(byte[] bytes, int at) {
        ByteBuffer.wrap(bytes).putInt(at, 0);
        int sum = 0;
        for (byte value : bytes) {
            sum += value & 0xFF;
        }
        ByteBuffer.wrap(bytes).putInt(at, ~sum);
    }
}
