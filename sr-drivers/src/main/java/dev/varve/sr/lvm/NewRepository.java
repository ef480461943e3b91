// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.StorageException;

import java.util.Map;
import java.util.TreeMap;

/**
 * Makes a repository on a device.
 *
 * <p><b>Threads:</b> any that may wait.
 *
 * <p><b>Durability:</b> what was there is wiped first, then the group is made, then its volumes,
 * and the name of the repository last. A crash in between leaves a group of that name without
 * disks.
 */
final class NewRepository {
    /** Signatures lie in the first megabytes, the metadata of the group as well. */
    private static final long HEAD_BYTES = 12L << 20;

    /** Tables of partitions, RAIDs and pools of disks have copies at the end. */
    private static final long TAIL_BYTES = 1L << 20;

    private NewRepository() {}

    /** Makes it; when that fails, nothing is left to be recognised. */
    static void make(
            GroupDevice device, SrIdentity identity, GroupOptions options, SrContext context) {
        BlockMedium medium = device.medium();
        wipe(medium);
        try {
            fill(device, identity, options, context);
        } catch (StorageException e) {
            wipeAfter(medium, e);
            throw e;
        }
    }

    private static void fill(
            GroupDevice device, SrIdentity identity, GroupOptions options, SrContext context) {
        GroupMetadata metadata =
                GroupMetadata.create(
                        device.medium(),
                        VolumeNames.group(identity.uuid()),
                        context.random(),
                        context.clock(),
                        GroupMetadata.DEFAULT_METADATA_BYTES,
                        GroupMetadata.DEFAULT_EXTENT_BYTES,
                        PoolTag.ofNew(device, context.pool()));
        GroupClaims.ensure(device, metadata, identity.uuid(), context);
        LvmVolumeStore store =
                new LvmVolumeStore(
                        new LvmAccess(
                                device.medium(),
                                metadata,
                                GroupOwner.alone(),
                                LvmStoreSettings.DEFAULT,
                                context.blocking(),
                                context.host()));
        store.recover();
        store.setIdentity(kept(identity, options));
        store.close();
    }

    /** Thin is what a repository is that says nothing. */
    private static SrIdentity kept(SrIdentity identity, GroupOptions options) {
        Map<String, String> config = new TreeMap<>(identity.smConfig());
        if (options.thick()) {
            config.put("allocation", "thick");
        }
        return new SrIdentity(identity.uuid(), identity.label(), identity.description(), config);
    }

    /** Removes everything by which content is recognised. */
    static void wipe(BlockMedium medium) {
        long size = medium.sizeBytes();
        long unit = medium.blockBytes();
        long head = Math.min(HEAD_BYTES, size);
        long tail = Math.max(head, (size - TAIL_BYTES) / unit * unit);
        medium.zero(0, head);
        if (tail < size) {
            medium.zero(tail, size - tail);
        }
        medium.flush();
    }

    private static void wipeAfter(BlockMedium medium, StorageException failure) {
        try {
            wipe(medium);
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }
}
