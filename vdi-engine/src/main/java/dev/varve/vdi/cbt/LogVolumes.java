// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * The logs of a repository as volumes.
 *
 * <p><b>Threads:</b> control threads.
 */
final class LogVolumes {
    private final VolumeStore store;
    private final VdiEngine engine;

    LogVolumes(VolumeStore store, VdiEngine engine) {
        this.store = store;
        this.engine = engine;
    }

    static VolumeId id(UUID vdi) {
        return new VolumeId(VolumeKind.CBT_LOG, vdi);
    }

    VolumeStore store() {
        return store;
    }

    boolean exists(UUID vdi) {
        return store.find(id(vdi)).isPresent();
    }

    // ---- reading

    /**
     * Reads a log, or nothing when it is damaged.
     *
     * @throws StorageException another than VDI_LOAD
     */
    Optional<ChangeLog> read(UUID vdi, Operation operation) {
        try {
            // Those of other programs may have to be made a little larger to be read.
            return Optional.of(with(vdi, true, operation, access -> read(vdi, access)));
        } catch (StorageException e) {
            if (e.code() != ErrorCode.VDI_LOAD) {
                throw e;
            }
            return Optional.empty();
        }
    }

    /** Reads a log from its volume, which is open for writing. */
    ChangeLog read(UUID vdi, BlockAccess access) {
        ChangeLogHeader header = ChangeLog.readHeader(access);
        long needed = ChangeLogHeader.BYTES + ChangedBlocks.bitmapBytes(header.sizeBytes());
        long there = store.find(id(vdi)).map(VolumeInfo::sizeBytes).orElse(0L);
        if (there >= needed) {
            access.grow(ChangeLog.volumeBytes(header.sizeBytes()));
        }
        return ChangeLog.read(access);
    }

    /** The header of a log, or nothing when there is none or it is damaged. */
    Optional<ChangeLogHeader> header(UUID vdi, Operation operation) {
        if (!exists(vdi)) {
            return Optional.empty();
        }
        try {
            return Optional.of(with(vdi, false, operation, ChangeLog::readHeader));
        } catch (StorageException e) {
            if (e.code() != ErrorCode.VDI_LOAD && e.code() != ErrorCode.VDI_NOT_ON_STORAGE) {
                throw e;
            }
            return Optional.empty();
        }
    }

    /** The disks and snapshots whose intervals begin with the given snapshot. */
    List<UUID> children(UUID parent, Operation operation) {
        return where(header -> header.parent().equals(Optional.of(parent)), operation);
    }

    /** The snapshots after whose interval that of the given disk comes. */
    List<UUID> parents(UUID child, Operation operation) {
        return where(header -> header.child().equals(Optional.of(child)), operation);
    }

    private List<UUID> where(Function<ChangeLogHeader, Boolean> wanted, Operation operation) {
        List<UUID> found = new ArrayList<>();
        for (VolumeId id : store.ids()) {
            if (id.kind() == VolumeKind.CBT_LOG
                    && header(id.uuid(), operation).map(wanted).orElse(false)) {
                found.add(id.uuid());
            }
        }
        found.sort(Comparator.naturalOrder());
        return found;
    }

    // ---- writing

    /** Makes a log as a volume of kind INCOMING, durable. */
    VolumeId create(UUID name, ChangeLog log, Operation operation) {
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, name);
        store.commit(List.of(new VolumeChange.Create(incoming, 0, Map.of())));
        try (OpenVolume open = engine.open(store.open(incoming, true), true)) {
            log.write(open.access(operation), log.header());
        } catch (RuntimeException | Error e) {
            remove(incoming, e);
            throw e;
        }
        return incoming;
    }

    /** Removes a volume because of a failure. */
    void remove(VolumeId id, Throwable reason) {
        try {
            store.commit(List.of(new VolumeChange.Delete(id)));
        } catch (StorageException e) {
            reason.addSuppressed(e);
        }
    }

    /** Changes the header of a log that nobody tracks with; a damaged one stays as it is. */
    void header(UUID vdi, UnaryOperator<ChangeLogHeader> change, Operation operation) {
        Optional<ChangeLogHeader> header = header(vdi, operation);
        if (header.isPresent() && !change.apply(header.get()).equals(header.get())) {
            ChangeLog changed = ChangeLog.empty(change.apply(header.get()));
            with(
                    vdi,
                    true,
                    operation,
                    access -> {
                        changed.writeHeader(access);
                        return changed;
                    });
        }
    }

    /** Writes a log anew that nobody tracks with: its bits, then its header. */
    void write(UUID vdi, ChangeLog log, ChangeLogHeader before, Operation operation) {
        with(
                vdi,
                true,
                operation,
                access -> {
                    log.write(access, before);
                    return log;
                });
    }

    private <T> T with(
            UUID vdi, boolean writable, Operation operation, Function<BlockAccess, T> work) {
        try (OpenVolume open = engine.open(store.open(id(vdi), writable), writable)) {
            return work.apply(open.access(operation));
        }
    }
}
