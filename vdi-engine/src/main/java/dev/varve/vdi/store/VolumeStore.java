// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A place that keeps volumes. This is all that a storage repository driver has to offer: everything
 * a user does with a disk is built on it, once, in {@code dev.varve.vdi.disk}.
 *
 * <p><b>Threads:</b> any. Calls may block on the medium, so they are not for the threads of lanes.
 *
 * <p><b>Durability:</b> when {@link #commit} returns, the changes survive power loss. After a crash
 * within it, {@link #recover()} leaves either none or all of them.
 */
public interface VolumeStore extends AutoCloseable {
    /** What it can do. */
    Set<StoreFeature> features();

    /** How much room there is. */
    StoreSpace space();

    /**
     * Has somebody told whenever a volume became smaller or was removed here, so that what found no
     * room may find some. Must not block. A store that never tells is asked again and again.
     */
    default void whenRoom(Runnable listener) {}

    /**
     * Gives up a part of the room that is kept back for work on the store itself: its own commits,
     * and merges, which make room in the end. For whoever has just failed with SR_NO_SPACE and is
     * to go on all the same. It is kept back again when there is room.
     *
     * @return how many bytes came free; 0 when nothing is kept back any more
     */
    default long useReserve(long bytes) {
        return 0;
    }

    /** All volumes, of all kinds, in no particular order. */
    List<VolumeInfo> list();

    /** The names of all volumes, of all kinds; cheaper than {@link #list()}. */
    default Set<VolumeId> ids() {
        return list().stream().map(VolumeInfo::id).collect(Collectors.toUnmodifiableSet());
    }

    /**
     * How an image that rests on a volume names it: the volume's name in the layout of the store,
     * without a directory, so that other readers of the store find it too.
     */
    String nameOf(VolumeId id);

    /** The volume that such a name stands for, whether it is there or not. */
    Optional<VolumeId> named(String name);

    /** One volume, or nothing when there is none of this name. */
    Optional<VolumeInfo> find(VolumeId id);

    /**
     * Opens a volume.
     *
     * @throws dev.varve.vdi.StorageException VDI_NOT_ON_STORAGE when there is none of this name
     */
    StoreVolume open(VolumeId id, boolean writable);

    /**
     * Makes all changes or none, in the given order. Nothing is changed when one of them cannot be
     * made: a volume to create exists already, or one to rename does not.
     */
    void commit(List<VolumeChange> changes);

    /** Finishes or undoes what a crash interrupted, and removes what was still being made. */
    void recover();

    @Override
    void close();
}
