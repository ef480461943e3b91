// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;

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
     * Makes a disk larger, attached or not; the new part reads as zero. An attached disk shows its
     * new size to clients that connect from then on.
     *
     * @throws dev.varve.vdi.StorageException VDI_TOO_SMALL when it would become smaller
     */
    VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation);

    /**
     * Removes a disk and gives its space back.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE while it is open
     */
    void destroy(UUID vdi, Operation operation);

    /** Changes the name and the description that are kept with the disk. */
    VdiInfo rename(UUID vdi, String label, String description);
}
