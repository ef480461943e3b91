// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.vdi.transfer.TransferFormat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.Stream;
import java.util.zip.Deflater;

/** Any bytes as a VMDK that comes in as a stream: it is imported, or refused with a reason. */
@Tag("fuzz")
class VmdkStreamFuzzTest {
    private static final int SECTOR = 512;
    private static final int GRAIN = 64 << 10;

    static Stream<byte[]> streams() {
        byte[] image = image(-1);
        return Stream.of(
                image,
                image(1),
                Arrays.copyOf(image, 3 * SECTOR + 20),
                new byte[2 * SECTOR],
                new byte[0]);
    }

    /** A header, a grain, and the mark of the end. */
    private static byte[] image(long directory) {
        byte[] grain = new byte[GRAIN];
        Arrays.fill(grain, 100, 5000, (byte) 7);
        Deflater deflater = new Deflater();
        deflater.setInput(grain);
        deflater.finish();
        byte[] packed = new byte[GRAIN];
        int size = deflater.deflate(packed);
        deflater.end();
        int end = 4 * SECTOR + (12 + size + SECTOR - 1) / SECTOR * SECTOR;
        byte[] image = new byte[end + SECTOR];
        ByteBuffer out = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(0x564D444B).putInt(3).putInt(0x30001).putLong(4096).putLong(GRAIN / SECTOR);
        out.putLong(0).putLong(0).putInt(512).putLong(0).putLong(directory).putLong(4);
        out.putShort(77, (short) 1);
        out.putLong(4 * SECTOR, 128).putInt(4 * SECTOR + 8, size);
        out.put(4 * SECTOR + 12, packed, 0, size);
        return image;
    }

    @MethodSource("streams")
    @FuzzTest(maxDuration = "2m")
    void importsAStreamOrRefusesIt(byte[] input) {
        StreamTarget.importOrRefuse(TransferFormat.VMDK, input);
    }
}
