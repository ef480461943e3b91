// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeStore;

import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/** A store that counts the reads of its volumes, all of them together. */
public final class CountingStore extends ForwardingStore {
    private final AtomicLong reads = new AtomicLong();

    public CountingStore(VolumeStore store) {
        super(store);
    }

    /** How many reads there were. */
    public long reads() {
        return reads.get();
    }

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        StoreVolume volume = super.open(id, writable);
        BlockDevice counted = new Counted(volume.device());
        return new Volume(volume) {
            @Override
            public BlockDevice device() {
                return counted;
            }
        };
    }

    private final class Counted implements BlockDevice {
        private final BlockDevice device;

        Counted(BlockDevice device) {
            this.device = device;
        }

        @Override
        public Geometry geometry() {
            return device.geometry();
        }

        @Override
        public Set<BlockFeature> features() {
            return device.features();
        }

        @Override
        public void submit(BlockRequest request) {
            if (request.op == BlockOp.READ) {
                reads.incrementAndGet();
            }
            device.submit(request);
        }

        /** The volume closes it. */
        @Override
        public void close() {}
    }
}
