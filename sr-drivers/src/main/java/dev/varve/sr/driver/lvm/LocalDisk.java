// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.lvm.GroupDevice;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

/**
 * A disk or a partition of this host.
 *
 * <p><b>Threads:</b> any.
 *
 * @param device the device that was opened
 */
record LocalDisk(HostDevice device, BlockMedium medium) implements GroupDevice {
    static LocalDisk open(HostDevice device, boolean writable) {
        boolean may = writable || !device.isReadOnly();
        return new LocalDisk(device, FileMedium.open(device.node(), device.blockBytes(), may));
    }

    @Override
    public String place() {
        return device.given().toString();
    }

    @Override
    public boolean isShared() {
        return false;
    }

    /** A disk that was unplugged and is there again is another device. */
    @Override
    public void check() {
        if (!HostDevice.of(device.given()).number().equals(device.number())) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the device %s is another one now; unplug the repository with pbd-unplug and plug it in again"
                            .formatted(device.given()));
        }
        medium.check();
    }

    /**
     * A disk that was unplugged answers no more through what is open; when it is back it has
     * another number, or answers only those who open it anew. One that is merely slow or broken is
     * not lost.
     */
    @Override
    public boolean isLost() {
        try {
            HostDevice now = HostDevice.of(device.given());
            return !now.number().equals(device.number()) || (!answers(medium) && answersAnew(now));
        } catch (StorageException e) {
            return e.code() == ErrorCode.SR_UNAVAILABLE && !answers(medium);
        }
    }

    private static boolean answers(BlockMedium medium) {
        try {
            medium.check();
            return true;
        } catch (StorageException e) {
            return false;
        }
    }

    private static boolean answersAnew(HostDevice now) {
        try (LocalDisk anew = open(now, false)) {
            return answers(anew.medium());
        }
    }
}
