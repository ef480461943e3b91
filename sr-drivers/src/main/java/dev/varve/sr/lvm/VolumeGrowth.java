// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;

/**
 * Makes volumes larger and smaller. What is asked for while a change of the group is under way is
 * done together in the next one, so that many disks that fill up at once cost few changes.
 *
 * <p>Images grow by more than was asked for, so that a disk that fills up asks seldom: by {@link
 * LvmStoreSettings#stepBytes}, as far as there is room. Other volumes grow to the next whole
 * extent.
 *
 * <p><b>Threads:</b> any; growing itself runs on the executor for blocking work, one batch at a
 * time.
 */
final class VolumeGrowth {
    private record Wanted(LvmStoreVolume volume, long sizeBytes, CompletableFuture<Long> done) {}

    private final LvmVolumeStore store;
    private final LvmStoreSettings settings;
    private final Executor blocking;
    private List<Wanted> waiting = new ArrayList<>();
    private boolean running;

    VolumeGrowth(LvmVolumeStore store, LvmStoreSettings settings, Executor blocking) {
        this.store = store;
        this.settings = settings;
        this.blocking = blocking;
    }

    /** Whether volumes of a kind have room to spare. */
    private static boolean isImage(VolumeKind kind) {
        return kind == VolumeKind.VHD || kind == VolumeKind.INCOMING;
    }

    /** See {@link dev.varve.vdi.store.StoreVolume#growAheadBytes}. */
    long aheadBytes(LvmStoreVolume volume) {
        long size = volume.device().geometry().sizeBytes();
        return isImage(volume.id().kind()) ? settings.stepBytes(size) / 2 : 0;
    }

    /** Makes a volume at least so large. */
    synchronized CompletionStage<Long> grow(LvmStoreVolume volume, long sizeBytes) {
        Wanted wanted = new Wanted(volume, sizeBytes, new CompletableFuture<>());
        waiting.add(wanted);
        if (!running) {
            running = true;
            try {
                blocking.execute(this::growAll);
            } catch (RejectedExecutionException e) {
                running = false;
                waiting.remove(wanted);
                return CompletableFuture.failedStage(
                        ErrorCode.VDI_RESIZE.because(
                                volume.id() + " cannot grow: the daemon is stopping", e));
            }
        }
        return wanted.done();
    }

    private synchronized List<Wanted> take() {
        List<Wanted> taken = waiting;
        waiting = new ArrayList<>();
        running = !taken.isEmpty();
        return taken;
    }

    private void growAll() {
        for (List<Wanted> batch = take(); !batch.isEmpty(); batch = take()) {
            growBatch(batch);
        }
    }

    private void growBatch(List<Wanted> batch) {
        Map<LvmId, Long> sizes = new LinkedHashMap<>();
        List<Wanted> open = new ArrayList<>();
        for (Wanted wanted : batch) {
            if (wanted.volume().isClosed()) {
                fail(wanted, closedBefore(wanted));
            } else {
                open.add(wanted);
                sizes.merge(wanted.volume().opened().volume(), wanted.sizeBytes(), Math::max);
            }
        }
        try {
            Map<LvmId, StorageException> failures = store.growVolumes(sizes);
            open.forEach(wanted -> finish(wanted, failures));
        } catch (RuntimeException e) {
            open.forEach(wanted -> fail(wanted, e));
        }
    }

    private static StorageException closedBefore(Wanted wanted) {
        return ErrorCode.VDI_RESIZE.because(
                wanted.volume().id() + " was closed before it could grow");
    }

    private static void finish(Wanted wanted, Map<LvmId, StorageException> failures) {
        long size = wanted.volume().device().geometry().sizeBytes();
        StorageException failure = failures.get(wanted.volume().opened().volume());
        if (size >= wanted.sizeBytes()) {
            wanted.done().complete(size);
        } else if (failure != null) {
            fail(wanted, failure);
        } else {
            fail(wanted, closedBefore(wanted));
        }
    }

    private static void fail(Wanted wanted, RuntimeException failure) {
        wanted.done().completeExceptionally(failure);
    }

    // ---- by the owner of the group

    /**
     * Adds what volumes need to a change.
     *
     * @param sizes how large each is to be at least, in bytes
     * @param kept how many extents they do not get
     * @return why some of them do not grow
     */
    Map<LvmId, StorageException> extend(
            Map<LvmId, Long> sizes, GroupState state, GroupChange change, long kept) {
        Map<LvmId, StorageException> failures = new HashMap<>();
        sizes.forEach(
                (volume, size) -> {
                    try {
                        extend(volume, size, state, change, kept);
                    } catch (StorageException e) {
                        failures.put(volume, e);
                    }
                });
        return failures;
    }

    private void extend(LvmId volume, long size, GroupState state, GroupChange change, long kept) {
        VolumeId id =
                state.id(volume)
                        .orElseThrow(
                                () ->
                                        ErrorCode.VDI_NOT_ON_STORAGE.because(
                                                "the logical volume " + volume + " is gone"));
        LogicalVolume present = state.volume(id).orElseThrow();
        long extent = state.group().extentBytes();
        long needed = CommitTranslation.extents(size, extent) - present.extents();
        if (needed <= 0) {
            return;
        }
        long free = change.edit.freeExtents() - kept;
        if (needed > free) {
            throw noRoom(id, needed * extent, Math.max(0, free) * extent, kept * extent);
        }
        long wanted = isImage(id.kind()) ? step(present, extent) : 0;
        change.edit.extend(present.name(), Math.max(needed, Math.min(wanted, free)));
        change.ofGroup = true;
    }

    private long step(LogicalVolume volume, long extent) {
        return settings.stepBytes(volume.extents() * extent) / extent;
    }

    private static StorageException noRoom(VolumeId id, long needed, long free, long kept) {
        return ErrorCode.SR_NO_SPACE.because(
                "%s needs %d bytes more; %d bytes are free, and %d are kept back for the repository"
                        .formatted(id, needed, free, kept));
    }

    /** Makes a volume smaller, down to a whole extent. */
    void shrink(LvmStoreVolume volume, long sizeBytes) {
        store.shrinkVolume(volume.opened().volume(), sizeBytes);
    }
}
