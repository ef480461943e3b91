// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/**
 * A host from power-on to power-off, with the operations on disks over a store: the real {@link
 * Disks} and {@link VdiEngine}, on the one thread of a {@link SimMachine}.
 */
final class TreeHost implements AutoCloseable {
    /** No disk becomes larger, in bytes. */
    static final long MOST_BYTES = 32 << 20;

    /**
     * What a host is made of.
     *
     * @param kind what its disks are kept in
     * @param stalls whether lanes stand still now and then
     * @param metadataBytes memory for the metadata of images
     */
    record Hardware(
            StoreKind kind, FaultPlan plan, int lanes, boolean stalls, long metadataBytes) {}

    private final SimMachine machine;
    private final SimStore store;
    private final VolumeStore shown;
    private final VdiEngine engine;
    private final Disks disks;

    TreeHost(
            SimClock clock,
            RandomGenerator random,
            RandomSource uuids,
            Hardware hardware,
            Trace trace,
            SimStore.Medium medium,
            TreeSabotage sabotage) {
        machine =
                new SimMachine(
                        clock,
                        hardware.lanes(),
                        hardware.metadataBytes(),
                        hardware.stalls() ? random : null);
        sabotage.powerOn(machine);
        StoreKind kind = hardware.kind();
        SimServer server = kind.isRemote() ? SimServer.start(machine, random) : SimServer.NONE;
        store =
                kind.open(
                        new SimStore.Setting(
                                machine, random, hardware.plan(), trace, medium, server, sabotage));
        if (kind.isRemote()) {
            server.restartNowAndThen(() -> store.restart(random));
        }
        shown = sabotage.wrap(store);
        engine = new VdiEngine(machine.context(), machine.lanes(), machine.metadata());
        ImageFormat format = new Format(new VhdFormat(clock), store, sabotage);
        disks = new Disks(shown, engine, Map.of(VolumeKind.VHD, format), uuids);
    }

    SimMachine machine() {
        return machine;
    }

    SimStore store() {
        return store;
    }

    /** The store as the operations see it. */
    VolumeStore shown() {
        return shown;
    }

    VdiEngine engine() {
        return engine;
    }

    Disks disks() {
        return disks;
    }

    @Override
    public void close() {
        machine.close();
    }

    /**
     * The real format, with a {@link TreeSabotage} around each image that it opens. New images have
     * room in their tables for small disks only, since nothing here needs more.
     */
    private record Format(ImageFormat format, SimStore store, TreeSabotage sabotage)
            implements ImageFormat {
        private static ImageSpec small(ImageSpec spec) {
            long maximum = Math.min(spec.maximumBytes(), MOST_BYTES);
            return new ImageSpec(spec.uuid(), spec.sizeBytes(), maximum, spec.parent());
        }

        @Override
        public String name() {
            return format.name();
        }

        @Override
        public long roundUp(long sizeBytes) {
            return format.roundUp(sizeBytes);
        }

        @Override
        public long minimumBytes() {
            return format.minimumBytes();
        }

        @Override
        public long maximumBytes() {
            return format.maximumBytes();
        }

        @Override
        public long fullBytes(long sizeBytes) {
            return format.fullBytes(sizeBytes);
        }

        @Override
        public long emptyBytes(ImageSpec spec) {
            return format.emptyBytes(small(spec));
        }

        @Override
        public boolean probe(BlockAccess access) {
            return format.probe(access);
        }

        @Override
        public ImageInfo inspect(BlockAccess access) {
            return format.inspect(access);
        }

        @Override
        public boolean hasParents() {
            return format.hasParents();
        }

        @Override
        public void create(BlockAccess access, ImageSpec spec, Operation operation) {
            format.create(access, small(spec), operation);
        }

        @Override
        public List<ImagePatch> patches(BlockAccess access, ImageRole role) {
            return format.patches(access, role);
        }

        @Override
        public boolean isEmpty(BlockAccess access) {
            return format.isEmpty(access);
        }

        @Override
        public ImageLayer open(BlockAccess access, boolean writable) {
            SimStore.Node node = store.lastOpened();
            return sabotage.wrap(
                    format.open(access, writable), access, () -> SimStore.nameOf(node));
        }
    }
}
