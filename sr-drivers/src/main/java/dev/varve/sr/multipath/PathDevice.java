// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.block.BlockTransfers;
import dev.varve.sr.block.DescriptorTransfers;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoFile;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What is open of a path: for lanes and for those who may wait.
 *
 * @param device for lanes
 * @param transfers for those who may wait
 * @param letGo closes both
 */
record PathDevice(BlockDevice device, BlockTransfers transfers, Runnable letGo) {
    /**
     * Opens a device node, past the page cache: each path has one of its own. A file that stands
     * for a device has one cache under all its names, and may lie where there is no other way.
     *
     * @throws dev.varve.vdi.StorageException when that is not possible
     */
    static PathDevice open(Path node, int blockBytes, boolean writable) {
        int mode = writable ? Libc.O_RDWR : Libc.O_RDONLY;
        int fd = Libc.open(node.toString(), mode | Libc.O_DIRECT);
        boolean direct = fd >= 0;
        if (fd == -Libc.EINVAL && Files.isRegularFile(node)) {
            fd = Libc.open(node.toString(), mode);
        }
        if (fd < 0) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "cannot open " + node + ": " + Libc.errorName(fd));
        }
        try {
            IoFile file =
                    direct
                            ? IoFile.openDirect(node, writable, blockBytes)
                            : IoFile.open(node, writable, false);
            return of(new RawFileDevice(file, writable), fd);
        } catch (RuntimeException e) {
            Libc.close(fd);
            throw e;
        }
    }

    private static PathDevice of(RawFileDevice device, int fd) {
        return new PathDevice(
                device,
                new DescriptorTransfers(fd),
                () -> {
                    device.close();
                    Libc.close(fd);
                });
    }

    /** Looks at the size again. */
    void refreshSize() {
        if (device instanceof RawFileDevice file) {
            file.refreshSize();
        }
    }
}
