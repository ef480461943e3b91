// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import java.util.function.Function;

/**
 * Which daemon may write the metadata of a volume group, and how the others have it do so. At any
 * time at most one daemon is the owner.
 *
 * <p><b>Threads:</b> any; calls may block on the medium.
 */
public interface GroupOwner {
    /** Whether this daemon is the owner now. */
    boolean isOwner();

    /**
     * Since when this daemon is the owner: another number each time that it becomes it, 0 or more.
     * Says nothing while it is not.
     */
    default long since() {
        return 0;
    }

    /**
     * Does something while this daemon surely stays the owner.
     *
     * @throws dev.varve.vdi.StorageException LVM_MASTER when it is not; nothing was done
     */
    void asOwner(Runnable work);

    /**
     * Sends a request to the daemon that is the owner, and waits for the answer. What is asked for
     * is done once, even if the owner changes or starts again meanwhile.
     *
     * @throws dev.varve.vdi.StorageException LVM_MASTER when no owner answers in time
     */
    byte[] ask(byte[] request);

    /** Sets what answers the requests of others while this daemon is the owner. */
    void serve(Function<byte[], byte[]> answer);

    /** Whether no other daemon has the group attached or may attach it. */
    default boolean isAlone() {
        return false;
    }

    /** For a group on a device that no other host can reach. */
    static GroupOwner alone() {
        return AloneOwner.INSTANCE;
    }
}
