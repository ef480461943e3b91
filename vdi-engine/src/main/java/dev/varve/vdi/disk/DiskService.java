// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.engine.ActiveVdi;

import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Everything a user does with the disks of one repository. Nothing here depends on the kind of
 * storage.
 *
 * <p><b>Threads:</b> any; calls block until they are done, are cancelled or late. Calls on
 * different disks run side by side.
 *
 * <p><b>Durability:</b> what a call made survives power loss once it has returned. A call that
 * fails leaves everything as it was.
 */
public interface DiskService {
    /**
     * Looks at every image of the repository. A damaged one comes back as {@link
     * VdiState.Quarantined} and does not disturb the others.
     */
    List<VdiInfo> scan(Operation operation);

    /** Looks at one disk again; nothing when it is not there. */
    Optional<VdiInfo> find(UUID vdi);

    /**
     * Makes a disk that reads as zero.
     *
     * @throws dev.varve.vdi.StorageException VDI_TOO_SMALL or VDI_TOO_LARGE, SR_NO_SPACE,
     *     VDI_EXISTS
     */
    VdiInfo create(VdiSpec spec, Operation operation);

    /**
     * Makes a disk with content. It is seen by nobody before all of it is there, and a call that
     * fails leaves nothing behind.
     */
    VdiInfo create(VdiSpec spec, DiskContent content, Operation operation);

    /**
     * Takes snapshots of disks, all at the same instant, whether they are active or not. Takes no
     * longer the larger or the deeper a disk is, and holds no request of its users for long.
     *
     * @return the snapshots, in the order in which they were asked for, then the disks and the new
     *     inner nodes
     * @throws dev.varve.vdi.StorageException SR_NOT_IMPLEMENTED for a disk whose format has no
     *     snapshots
     */
    DiskChanges snapshot(List<SnapshotSpec> snapshots, Operation operation);

    /**
     * Makes a disk that begins with the content of another one and shares it, whether that is
     * active or not.
     *
     * @return the clone, then what changed with it
     * @throws dev.varve.vdi.StorageException SR_NOT_IMPLEMENTED as for snapshots
     */
    DiskChanges clone(UUID source, UUID clone, Operation operation);

    /**
     * Gives a disk the content and the size that one of its snapshots has. It keeps its UUID, its
     * name and its snapshots.
     *
     * @return the disk, then what changed with it
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE while it is active,
     *     OPERATION_NOT_ALLOWED when the other disk is no snapshot of it
     */
    DiskChanges revert(UUID vdi, UUID snapshot, Operation operation);

    /**
     * Makes a disk of its own with the content of another one that nobody writes meanwhile. Only
     * what holds data is read and written.
     *
     * @param target where the new disk is made, here or in another repository
     */
    VdiInfo copy(UUID source, DiskService target, VdiSpec spec, Operation operation);

    /**
     * Shows what a disk holds to somebody who reads it, while nobody writes it. It may be attached
     * for reading meanwhile.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE while it is being written
     */
    void read(UUID vdi, DiskReading reading, Operation operation);

    /**
     * Shows two disks of this repository side by side to somebody who wants to know how one differs
     * from the other.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE while one of them is being written
     */
    void compare(UUID base, UUID vdi, DiskDifference.Reading reading, Operation operation);

    /**
     * Gives a disk other content, all at once: what the new content does not say is zero. It keeps
     * its UUID, its size, its name and its snapshots. A call that fails leaves everything as it
     * was.
     *
     * @return the disk, then what changed with it
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE while it is active, VDI_DELETE while
     *     other images rest on it
     */
    DiskChanges replace(UUID vdi, DiskContent content, Operation operation);

    /**
     * As {@link #replace}, where the new content says only what changes: everything else stays as
     * the disk has it now.
     */
    DiskChanges overwrite(UUID vdi, DiskContent content, Operation operation);

    /**
     * Makes a disk larger, attached or not; the new part reads as zero. An attached disk shows its
     * new size to clients that connect from then on.
     *
     * @throws dev.varve.vdi.StorageException VDI_TOO_SMALL when it would become smaller
     */
    VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation);

    /**
     * Removes a disk and gives its space back; inner nodes that nothing else rests on go with it.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE while it is open, VDI_DELETE while other
     *     disks rest on it
     */
    DiskChanges destroy(UUID vdi, Operation operation);

    /**
     * The images that can become one with the image that they rest on, so that a chain becomes
     * shorter: those of the longest chains first. None while there is an image in the repository
     * that cannot be read, because that may rest on any other one.
     */
    List<Merge> merges(Operation operation);

    /**
     * Begins to merge two images, also while disks that rest on them are used and written. It
     * copies by itself; {@link RunningMerge#finish} makes it so. Of each tree one at a time is
     * enough.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE when the tree is not any more as it was,
     *     or cannot be merged now
     */
    RunningMerge merge(Merge merge, Operation operation);

    /**
     * Removes inner nodes that nothing rests on any more, and images that were merged with others
     * and were still read when that was done.
     *
     * @return the inner nodes that are gone
     */
    List<UUID> removeGarbage(Operation operation);

    /**
     * Finishes what a crash has interrupted in the trees. To be called once before disks are used,
     * by whoever alone may change the trees.
     *
     * @throws dev.varve.vdi.StorageException when that cannot be done; the disks that it concerns
     *     cannot be used before it is
     */
    void recover(Operation operation);

    /**
     * Begins to note which blocks of a disk are changed, or ends it, whether the disk is active or
     * not. Ended for a snapshot, later comparisons that go across it stay right.
     *
     * @throws dev.varve.vdi.StorageException OPERATION_NOT_ALLOWED when a snapshot is to be tracked
     */
    VdiInfo trackChanges(UUID vdi, boolean tracked, Operation operation);

    /**
     * Removes what a snapshot holds and keeps the log of its changed blocks, so that later ones can
     * be compared with it.
     *
     * @return what is left of the snapshot, and the inner nodes that went with its data
     * @throws dev.varve.vdi.StorageException VDI_NO_CBT_METADATA when it has no log,
     *     OPERATION_NOT_ALLOWED when it is no snapshot, and as {@link #destroy}
     */
    DiskChanges destroyData(UUID snapshot, Operation operation);

    /**
     * The blocks by which a disk or a snapshot may differ from an earlier snapshot of the same
     * disk; blocks behind the end of the earlier one count as changed. For a disk that is being
     * written, the changes until now.
     *
     * @throws dev.varve.vdi.StorageException VDI_NO_CBT_METADATA when one of them is not tracked,
     *     CBT_CHANGED_BLOCKS when there is a gap between them
     */
    ChangedBlocks changedBlocks(UUID from, UUID to, Operation operation);

    /** The snapshots with which {@link #changedBlocks} can compare, the latest first. */
    List<UUID> comparable(UUID vdi, Operation operation);

    /** The disks and snapshots whose logs of changed blocks change when the given one goes. */
    List<UUID> followers(UUID vdi, Operation operation);

    /** Changes the name and the description that are kept with the disk. */
    VdiInfo rename(UUID vdi, String label, String description);

    /**
     * Writes down again what was kept about a disk and is lost. Where anything is kept, that is
     * right and stays.
     *
     * @return the disk as it is now
     */
    VdiInfo remember(UUID vdi, DiskNotes notes);

    /**
     * Opens a disk and all nodes below it, and starts to serve it.
     *
     * @throws dev.varve.vdi.StorageException VDI_LOAD when one of the images cannot be used,
     *     SR_VDI_IN_USE when it is active already
     */
    ActiveVdi activate(UUID vdi, boolean writable, Operation operation);
}
