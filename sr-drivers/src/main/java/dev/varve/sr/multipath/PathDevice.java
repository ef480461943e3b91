// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.block.BlockTransfers;
import dev.varve.sr.block.DescriptorTransfers;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoFile;

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
     * Opens a device node, past the page cache: each path has one of its own.
     *
     * @throws dev.varve.vdi.StorageException when that is not possible
     */
    static PathDevice open(Path node, int blockBytes, boolean writable) {
        int mode = (writable ? Libc.O_RDWR : Libc.O_RDONLY) | Libc.O_DIRECT;
        int fd = Libc.open(node.toString(), mode);
        if (fd < 0) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "cannot open " + node + ": " + Libc.errorName(fd));
        }
        try {
            RawFileDevice device =
                    new RawFileDevice(IoFile.openDirect(node, writable, blockBytes), writable);
            return new PathDevice(
                    device,
                    new DescriptorTransfers(fd),
                    () -> {
                        device.close();
                        Libc.close(fd);
                    });
        } catch (RuntimeException e) {
            Libc.close(fd);
            throw e;
        }
    }

    /** Looks at the size again. */
    void refreshSize() {
        if (device instanceof RawFileDevice file) {
            file.refreshSize();
        }
    }
}
