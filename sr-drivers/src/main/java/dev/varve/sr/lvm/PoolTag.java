// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.List;
import java.util.UUID;

/**
 * The tag of a volume group that says which pool of hosts uses it. The area of claims says so as
 * well; the tag is seen before anything is written, also where that area is not there yet, and by a
 * person with {@code vgs -o vg_tags}.
 *
 * <table>
 * <caption>The tag</caption>
 * <tr><th>part</th><th>meaning</th></tr>
 * <tr><td>{@code varve-pool-}</td><td>as it is</td></tr>
 * <tr><td>36 characters</td><td>UUID of the pool, in lower case</td></tr>
 * </table>
 *
 * <p>Only groups on devices that several hosts can reach have one. {@code lvm2} keeps tags through
 * all of its own changes.
 *
 * <p><b>Threads:</b> any that may wait.
 */
final class PoolTag {
    private static final String PREFIX = "varve-pool-";

    private PoolTag() {}

    /** The tag of a pool. */
    static String of(UUID pool) {
        return PREFIX + pool;
    }

    /** What a new group on a device is tagged with. */
    static List<String> ofNew(GroupDevice device, UUID pool) {
        return device.isShared() ? List.of(of(pool)) : List.of();
    }

    /**
     * Fails with LVM_MASTER when a group on a shared device has the tag of another pool, or of
     * several. Nothing is written.
     *
     * @param pool the pool of this host
     */
    static void require(GroupDevice device, GroupMetadata metadata, UUID pool) {
        List<String> others =
                known(metadata).stream().filter(tag -> !tag.equals(of(pool))).toList();
        if (device.isShared() && !others.isEmpty()) {
            throw ErrorCode.LVM_MASTER.because(
                    ("%s holds a repository of pool %s, and this host is of pool %s: use it there,"
                                    + " or choose another device; to take it over for good, detach"
                                    + " it on all hosts of that pool, and remove the volume %s and"
                                    + " the tag %s of the volume group %s with lvm2")
                            .formatted(
                                    device.medium().name(),
                                    others.getFirst().substring(PREFIX.length()),
                                    pool,
                                    GroupClaims.VOLUME,
                                    others.getFirst(),
                                    metadata.group().name()));
        }
    }

    /**
     * Adds the tag where a group on a shared device has none, which is durable when this returns.
     * While another daemon maintains the group nothing is done: that one adds it when it attaches
     * the repository.
     *
     * @param owner who may write the group
     * @param pool the pool of this host
     */
    static void ensure(GroupDevice device, GroupMetadata metadata, GroupOwner owner, UUID pool) {
        boolean writable = device.medium().isWritable() && metadata.refusal().isEmpty();
        if (!device.isShared() || !writable || !known(metadata).isEmpty()) {
            return;
        }
        try {
            owner.asOwner(() -> add(device, metadata, pool));
        } catch (StorageException e) {
            if (e.code() != ErrorCode.LVM_MASTER || !known(metadata).isEmpty()) {
                throw e;
            }
        }
    }

    /** Somebody else may have added one since the group was read. */
    private static void add(GroupDevice device, GroupMetadata metadata, UUID pool) {
        metadata.reread();
        require(device, metadata, pool);
        if (known(metadata).isEmpty()) {
            GroupEdit edit = metadata.edit();
            edit.addGroupTag(of(pool));
            metadata.commit(edit.done());
        }
    }

    private static List<String> known(GroupMetadata metadata) {
        return metadata.group().tags().stream().filter(tag -> tag.startsWith(PREFIX)).toList();
    }
}
