// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeStore;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicLong;

/** A store that counts the reads of its volumes, all of them together. */
public final class CountingStore implements VolumeStore {
    private final VolumeStore store;
    private final AtomicLong reads = new AtomicLong();

    public CountingStore(VolumeStore store) {
        this.store = store;
    }

    /** How many reads there were. */
    public long reads() {
        return reads.get();
    }

    @Override
    public Set<StoreFeature> features() {
        return store.features();
    }

    @Override
    public StoreSpace space() {
        return store.space();
    }

    @Override
    public List<VolumeInfo> list() {
        return store.list();
    }

    @Override
    public String nameOf(VolumeId id) {
        return store.nameOf(id);
    }

    @Override
    public Optional<VolumeId> named(String name) {
        return store.named(name);
    }

    @Override
    public Optional<VolumeInfo> find(VolumeId id) {
        return store.find(id);
    }

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        return new Counted(store.open(id, writable));
    }

    @Override
    public void commit(List<VolumeChange> changes) {
        store.commit(changes);
    }

    @Override
    public void recover() {
        store.recover();
    }

    @Override
    public void close() {
        store.close();
    }

    private final class Counted implements StoreVolume, BlockDevice {
        private final StoreVolume volume;

        Counted(StoreVolume volume) {
            this.volume = volume;
        }

        @Override
        public VolumeId id() {
            return volume.id();
        }

        @Override
        public BlockDevice device() {
            return this;
        }

        @Override
        public Geometry geometry() {
            return volume.device().geometry();
        }

        @Override
        public Set<BlockFeature> features() {
            return volume.device().features();
        }

        @Override
        public void submit(BlockRequest request) {
            if (request.op == BlockOp.READ) {
                reads.incrementAndGet();
            }
            volume.device().submit(request);
        }

        @Override
        public CompletionStage<Long> grow(long sizeBytes) {
            return volume.grow(sizeBytes);
        }

        @Override
        public void shrink(long sizeBytes) {
            volume.shrink(sizeBytes);
        }

        @Override
        public void close() {
            volume.close();
        }
    }
}
