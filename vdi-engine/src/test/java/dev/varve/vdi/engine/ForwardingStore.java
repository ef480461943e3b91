// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockDevice;
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

/** A store that passes everything on, for tests that change a part of it. */
public abstract class ForwardingStore implements VolumeStore {
    private final VolumeStore store;

    protected ForwardingStore(VolumeStore store) {
        this.store = store;
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
        return store.open(id, writable);
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

    /** A volume that passes everything on. */
    public abstract static class Volume implements StoreVolume {
        private final StoreVolume volume;

        protected Volume(StoreVolume volume) {
            this.volume = volume;
        }

        @Override
        public VolumeId id() {
            return volume.id();
        }

        @Override
        public BlockDevice device() {
            return volume.device();
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
