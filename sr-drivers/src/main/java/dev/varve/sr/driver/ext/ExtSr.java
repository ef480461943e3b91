// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.files.DirectorySr;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.VolumeStore;

/**
 * A repository in the file system of a device, which is mounted as long as the repository is
 * attached.
 *
 * <p>A file system that was shut down, because its device went away or by hand, or that somebody
 * has unmounted, is mounted again by {@link #check()} once no volume is open. Mounting replays its
 * journal, so what was flushed is there.
 *
 * <p><b>Threads:</b> any.
 */
final class ExtSr implements AttachedSr {
    private final ExtMount mount;
    private final DirectorySr directory;

    ExtSr(ExtMount mount, DirectorySr directory) {
        this.mount = mount;
        this.directory = directory;
    }

    @Override
    public SrIdentity identity() {
        return directory.identity();
    }

    @Override
    public VolumeStore volumes() {
        return directory.volumes();
    }

    @Override
    public Claims claims() {
        return directory.claims();
    }

    @Override
    public void update(SrIdentity identity) {
        directory.update(identity);
    }

    @Override
    public boolean isLost() {
        return !mount.isMounted() || directory.isShutDown();
    }

    @Override
    public void check() {
        if (isLost()) {
            bringBack();
        }
        directory.check();
    }

    private synchronized void bringBack() {
        if (directory.isInUse()) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the file system at %s has gone away, and disks on it are still in use; it is mounted again once they are detached"
                            .formatted(mount.point()));
        }
        directory.remount(
                () -> {
                    if (!mount.unmount()) {
                        throw ErrorCode.SR_UNAVAILABLE.because(
                                "the file system at %s has gone away, and another program still has it attached; end that"
                                        .formatted(mount.point()));
                    }
                    mount.mount();
                });
    }

    @Override
    public void close() {
        directory.close();
        mount.unmount();
    }
}
