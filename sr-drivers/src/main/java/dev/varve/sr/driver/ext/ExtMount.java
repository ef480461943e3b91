// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.files.DirectorySr;
import dev.varve.sr.host.HostCommand;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.MountTable;
import dev.varve.sr.host.Signature;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The place under the daemon's home where the file system of one repository is mounted.
 *
 * <p>The kernel knows whether it is mounted, so nothing is kept here: a daemon that died leaves a
 * mount that the next one finds.
 *
 * <p><b>Threads:</b> any that may wait; calls for one repository are made one after the other.
 *
 * @param point the directory, by its real name as the kernel tells it
 * @param path the device as the configuration names it
 */
record ExtMount(Path point, Path path) {
    /**
     * No times of reading are written; a file system that finds itself damaged writes no more,
     * which keeps the damage from spreading; and nothing on it is a program or a device.
     */
    static final String OPTIONS = "noatime,errors=remount-ro,nodev,nosuid,noexec";

    private static final HostCommand MOUNT = new HostCommand("mount", "mount", 300);
    private static final HostCommand UMOUNT = new HostCommand("umount", "mount", 300);
    private static final String DIRECTORY = "mnt";

    /** The place of a repository; it need not be there. */
    static ExtMount of(Path home, UUID sr, Path device) {
        try {
            return new ExtMount(
                    home.toRealPath().resolve(DIRECTORY).resolve(sr.toString()), device);
        } catch (IOException e) {
            throw ErrorCode.SR_MOUNT.because("cannot use the directory " + home + ": " + e, e);
        }
    }

    /** Whether something is mounted there. */
    boolean isMounted() {
        return MountTable.read().at(point).isPresent();
    }

    /** Mounts the file system, which must be in order and mounted nowhere else. */
    void mount() {
        HostDevice device = HostDevice.of(path);
        Optional<MountTable.Mount> present = MountTable.read().at(point);
        if (present.isPresent()) {
            if (!ExtVolume.of(device).isOf(present.get().device()) || !leave()) {
                requireOurs(device, present.get());
                return;
            }
        }
        ExtVolume volume = ExtVolume.of(device);
        requireFree(volume);
        volume.with(
                node -> {
                    mount(node, volume);
                    return true;
                });
    }

    private void mount(HostDevice device, ExtVolume volume) {
        requireMountable(device, volume);
        try {
            Files.createDirectories(point);
        } catch (IOException e) {
            throw ErrorCode.SR_MOUNT.because("cannot make the directory " + point + ": " + e, e);
        }
        try {
            MOUNT.require(
                    ErrorCode.SR_MOUNT,
                    "mount " + path,
                    List.of(
                            "-t",
                            Ext4.TYPE,
                            "-o",
                            device.isReadOnly() ? OPTIONS + ",ro" : OPTIONS,
                            device.node().toString(),
                            point.toString()));
        } catch (StorageException e) {
            removeDirectories();
            throw e;
        }
    }

    /** Somebody else uses the mount, so it stays; another device's is not to be used. */
    private void requireOurs(HostDevice device, MountTable.Mount present) {
        if (!ExtVolume.of(device).isOf(present.device())) {
            throw ErrorCode.SR_MOUNT.because(
                    "at %s another device is mounted, %s and not %s; unmount it"
                            .formatted(point, present.source(), path));
        }
    }

    private void requireFree(ExtVolume volume) {
        List<MountTable.Mount> mounts = volume.mounts();
        if (!mounts.isEmpty()) {
            throw ErrorCode.DEVICE_IN_USE.because(
                    "the device %s is mounted at %s; unmount it first"
                            .formatted(path, mounts.getFirst().point()));
        }
        if (volume.group().isPresent()) {
            // The kernel may have mapped the volume group for somebody else.
            volume.device().requireUnused();
        }
    }

    private void requireMountable(HostDevice device, ExtVolume volume) {
        Optional<Signature> content = Signature.of(device);
        if (!content.map(Signature::type).equals(Optional.of(Ext4.TYPE))) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the device %s holds no ext4 file system, but %s; is it the right one?"
                            .formatted(
                                    path,
                                    content.map(Signature::describe)
                                            .orElse("nothing that is recognised")));
        }
        if (Ext4.Superblock.read(device).hasErrors()) {
            throw ErrorCode.SR_FILESYSTEM.because(
                    "the file system on %s is marked as damaged; look at it with e2fsck -fn %s, repair it with e2fsck -f %s, and plug the repository in again"
                            .formatted(path, place(volume), place(volume)));
        }
    }

    /** How the programs of the file system find it on the device. */
    private String place(ExtVolume volume) {
        return volume.group()
                .map(group -> "'%s?offset=%d'".formatted(path, group.offset()))
                .orElse(path.toString());
    }

    /**
     * Unmounts, unless another user on this host has the repository attached.
     *
     * @return whether it is unmounted now
     * @throws StorageException SR_UNMOUNT when something else keeps it busy
     */
    boolean unmount() {
        if (!isMounted()) {
            removeDirectories();
            return true;
        }
        HostCommand.Result result = UMOUNT.run(ErrorCode.SR_UNMOUNT, List.of(point.toString()));
        if (result.status() == 0) {
            removeDirectories();
            return true;
        }
        if (isMounted() && !DirectorySr.isAttached(point)) {
            throw ErrorCode.SR_UNMOUNT.because(
                    "cannot unmount %s: %s; see with fuser -vm %s who uses it, end that, and unmount it with umount %s"
                            .formatted(point, result.lastLines(), point, point));
        }
        return !isMounted();
    }

    /** What a daemon that died left mounted is mounted anew: it may have died with it. */
    private boolean leave() {
        HostCommand.Result result = UMOUNT.run(ErrorCode.SR_UNMOUNT, List.of(point.toString()));
        return result.status() == 0;
    }

    /** They are empty, or somebody else's; a file system that is mounted keeps them as well. */
    private void removeDirectories() {
        Libc.rmdir(point.toString());
        Libc.rmdir(point.getParent().toString());
    }
}
