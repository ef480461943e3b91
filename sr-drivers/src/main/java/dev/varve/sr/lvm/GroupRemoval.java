// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;

import java.util.UUID;

/**
 * Removes a repository from a device.
 *
 * <p><b>Threads:</b> any that may wait.
 *
 * <p><b>Durability:</b> one that can be removed again after a crash, or none.
 */
final class GroupRemoval {
    private GroupRemoval() {}

    /**
     * Removes the repository, so that the device counts as empty.
     *
     * @throws dev.varve.vdi.StorageException SR_IN_USE while a host has it attached,
     *     SR_NOT_EMPTY_BACKEND while it holds disks
     */
    static void remove(GroupDevice device, UUID sr, SrContext context) {
        FencedMedium medium = new FencedMedium(device.medium());
        GroupMetadata metadata = GroupMetadata.open(medium);
        LvmSr.requireRepository(medium, metadata, sr);
        try (GroupHold hold = GroupHold.takeAlone(device, metadata, sr, context)) {
            hold.fence().ifPresent(medium::guard);
            refuseDisks(medium, metadata, hold, context);
            medium.flush();
            NewRepository.wipe(medium);
        }
    }

    private static void refuseDisks(
            BlockMedium medium, GroupMetadata metadata, GroupHold hold, SrContext context) {
        LvmVolumeStore store =
                new LvmVolumeStore(
                        new LvmAccess(
                                medium,
                                metadata,
                                hold.owner(),
                                LvmStoreSettings.DEFAULT,
                                context.blocking(),
                                context.host()));
        long disks = store.list().stream().filter(volume -> volume.id().kind().isDisk()).count();
        store.close();
        if (disks > 0) {
            throw ErrorCode.SR_NOT_EMPTY_BACKEND.because(
                    "%s still holds %d disks; remove them first".formatted(medium.name(), disks));
        }
    }
}
