// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvm;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.lvm.ForwardingMedium;
import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A disk that is unplugged, and comes back under the same name. */
@Tag("real")
class LocalDiskTest {
    private static final long SIZE_BYTES = 1 << 20;

    @TempDir Path directory;

    /** What is open of a disk that was unplugged. */
    private static final class Gone extends ForwardingMedium {
        Gone(BlockMedium next) {
            super(next);
        }

        @Override
        public void check() {
            throw ErrorCode.SR_IO_ERROR.because("no such device");
        }
    }

    @Test
    void diskIsLostWhenItIsAnotherOneOrAnswersOnlyAnew() throws IOException {
        LoopDevice.assumePossible();
        Path name = directory.resolve("by-id");
        try (LoopDevice first = LoopDevice.make(directory.resolve("first.img"), SIZE_BYTES);
                LoopDevice second = LoopDevice.make(directory.resolve("second.img"), SIZE_BYTES)) {
            Files.createSymbolicLink(name, first.node());
            HostDevice device = HostDevice.of(name);
            try (LocalDisk disk = LocalDisk.open(device, true)) {
                LocalDisk dead = new LocalDisk(device, new Gone(disk.medium()));
                assertFalse(disk.isLost());
                assertTrue(dead.isLost(), "it answers who opens it anew");
                Files.delete(name);
                assertFalse(disk.isLost(), "it answers, though it has no name now");
                assertTrue(dead.isLost(), "it is not there and does not answer");
                Files.createSymbolicLink(name, second.node());
                assertTrue(disk.isLost(), "another one has its name");
            }
        }
    }
}
