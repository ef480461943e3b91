// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.DirectContext;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.host.LoopDevice;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.IoStatus;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

class FileMediumTest {
    private static final int SIZE = 64 * 1024;

    @TempDir Path directory;
    private Path file;

    @BeforeEach
    void fill() throws IOException {
        file = directory.resolve("device");
        byte[] ones = new byte[SIZE];
        Arrays.fill(ones, (byte) 1);
        Files.write(file, ones);
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void whatIsWrittenAtOddPlacesIsReadAndItsNeighboursStay(int blockBytes) {
        try (FileMedium medium = FileMedium.open(file, blockBytes, true)) {
            medium.write(4095, new byte[] {2, 3});
            medium.write(4200, new byte[] {});
            assertArrayEquals(new byte[] {1, 2, 3, 1}, medium.read(4094, 4));
            assertArrayEquals(new byte[] {}, medium.read(SIZE, 0));
        }
    }

    @Test
    void disksSeeWhatTheRepositoryWritesAndTheOtherWayRound() {
        try (FileMedium medium = FileMedium.open(file, 512, true);
                DirectContext lane = new DirectContext()) {
            medium.write(512, new byte[] {7});
            assertEquals(7, lane.read(medium.device(), 512, 512)[0]);
            lane.write(medium.device(), 1024, 512, 8);
            assertEquals(8, medium.read(1024, 1)[0]);
        }
    }

    @Test
    void zeroedRangeReadsAsZeroAndTheRestStays() {
        try (FileMedium medium = FileMedium.open(file, 512, true)) {
            medium.zero(512, 8192);
            assertArrayEquals(new byte[8192], medium.read(512, 8192));
            assertEquals(1, medium.read(511, 1)[0]);
            assertEquals(1, medium.read(512 + 8192, 1)[0]);
        }
    }

    @Test
    void readPastTheEndFailsAndSaysWhere() {
        try (FileMedium medium = FileMedium.open(file, 512, true)) {
            String sentence =
                    Errors.assertFails(ErrorCode.SR_IO_ERROR, () -> medium.read(SIZE, 1))
                            .sentence();
            assertTrue(sentence.contains(file.toString()), sentence);
        }
    }

    /**
     * As an unplugged disk, it has no size any more; the kernel then says that there is no room.
     */
    @Test
    @Tag("real")
    void deviceThatIsGoneIsNotTakenForAFullOne() throws IOException {
        LoopDevice.assumePossible();
        try (LoopDevice loop = LoopDevice.make(directory.resolve("image"), SIZE);
                FileMedium medium = FileMedium.open(loop.node(), 512, true);
                DirectContext lane = new DirectContext()) {
            lane.write(medium.device(), 0, 4096, 5);
            Files.write(loop.image(), new byte[0]);
            LoopDevice.run("losetup", "-c", loop.node().toString());
            assertEquals(IoStatus.IO_ERROR, lane.tryWrite(medium.device(), 0, 4096, 5));
        }
    }
}
