// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.vdi.ErrorCode;

import java.nio.file.Path;
import java.util.List;

/**
 * A range of a block device as a device of its own, by means of a loop device.
 *
 * <p>Closing it lets the kernel take it away as soon as nothing uses it any more: at once, or when
 * its file system is unmounted. Until it is closed, a crash leaves it behind; afterwards nothing
 * can.
 *
 * <p><b>Threads:</b> any that may wait.
 *
 * @param device the loop device, under the name that its device was given
 */
public record LoopRange(HostDevice device) implements AutoCloseable {
    private static final HostCommand LOSETUP = new HostCommand("losetup", "mount", 60);

    /**
     * Makes one.
     *
     * @param offset where it begins, in bytes; a multiple of the device's logical block
     * @param length how long it is, in bytes; likewise
     */
    public static LoopRange of(HostDevice whole, long offset, long length) {
        HostCommand.Result made =
                LOSETUP.require(
                        ErrorCode.SR_MOUNT,
                        "make a loop device over " + whole.given(),
                        List.of(
                                "--find",
                                "--show",
                                // What the file system writes goes to the device and is not kept
                                // in memory twice.
                                "--direct-io=on",
                                "--sector-size",
                                Integer.toString(whole.blockBytes()),
                                "--offset",
                                Long.toString(offset),
                                "--sizelimit",
                                Long.toString(length),
                                whole.node().toString()));
        HostDevice loop = HostDevice.of(Path.of(made.output().strip()));
        return new LoopRange(new HostDevice(whole.given(), loop.node(), loop.number()));
    }

    @Override
    public void close() {
        LOSETUP.require(
                ErrorCode.SR_UNMOUNT,
                "free the loop device " + device.node(),
                List.of("--detach", device.node().toString()));
    }
}
