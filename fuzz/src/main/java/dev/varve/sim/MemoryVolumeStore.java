// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A store of volumes that consist of extents of one size, as logical volumes do.
 *
 * <p>A commit is one change of the store's own metadata: all of it is there, or nothing. So is a
 * change of the size of a volume, which always is a whole number of extents and at least one.
 * Nothing grows by being written. In some plans an extent is made zero before it is given to
 * somebody, in others it comes with what was in it: here with ones, which as a bitmap would say
 * that everything was written.
 */
final class MemoryVolumeStore extends SimStore {
    private static final long EXTENTS = 4096;
    private static final SimContent ONES = ones();

    private static SimContent ones() {
        byte[] chunk = new byte[1 << 20];
        Arrays.fill(chunk, (byte) 0xFF);
        SimContent ones = new SimContent(2 * TreeHost.MOST_BYTES);
        for (long at = 0; at < ones.sizeBytes(); at += chunk.length) {
            ones.write(at, chunk, 0, chunk.length);
        }
        return ones;
    }

    MemoryVolumeStore(Setting setting) {
        super(setting);
    }

    @Override
    public Set<StoreFeature> features() {
        Set<StoreFeature> features = EnumSet.noneOf(StoreFeature.class);
        if (plan().zeroesSpace()) {
            features.add(StoreFeature.ZEROED);
        }
        if (plan().thick()) {
            features.add(StoreFeature.THICK);
        }
        return features;
    }

    @Override
    SimContent newSpace() {
        return plan().zeroesSpace() ? null : ONES;
    }

    @Override
    public StoreSpace space() {
        long all = EXTENTS * plan().growthStepBytes();
        return new StoreSpace(all, isFull() ? all : takenBytes());
    }

    private long takenBytes() {
        return list().stream().mapToLong(volume -> volume.allocatedBytes()).sum();
    }

    @Override
    boolean hasRoom(long bytes) {
        return super.hasRoom(bytes) && bytes <= space().freeBytes();
    }

    /** Removing needs no room in the metadata, but gives some back. */
    @Override
    boolean fits(List<VolumeChange> changes) {
        return changes.stream().noneMatch(VolumeChange.Create.class::isInstance);
    }

    @Override
    long sizeFor(long sizeBytes) {
        long extent = plan().growthStepBytes();
        return Math.max(1, (sizeBytes + extent - 1) / extent) * extent;
    }

    @Override
    void carryOut(Map<VolumeId, Entry> after, boolean fails) {
        after.forEach(this::put);
        happened();
        if (fails) {
            throw ErrorCode.SR_IO_ERROR.because("the commit failed after it had happened");
        }
        pause();
    }

    @Override
    void finish() {}
}
