// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.StoreVolume;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * All lanes of the daemon and the disks that run on them.
 *
 * <p><b>Threads:</b> any, but not a lane's.
 */
public final class VdiEngine implements AutoCloseable {
    private final EngineContext context;
    private final List<LaneThread> threads = new ArrayList<>();
    private final Map<UUID, ActiveVdi> active = new ConcurrentHashMap<>();
    private final AtomicInteger next = new AtomicInteger();

    /** Starts the lanes. */
    public VdiEngine(EngineContext context) {
        this.context = context;
        for (int i = 0; i < context.lanes(); i++) {
            threads.add(LaneThread.start("lane-" + i, context));
        }
    }

    /** The lanes. */
    public List<Lane> lanes() {
        return threads.stream().map(LaneThread::lane).toList();
    }

    /** Opens a volume on a lane. */
    public OpenVolume open(StoreVolume volume, boolean writable) {
        return open(volume, writable, List.of());
    }

    private OpenVolume open(StoreVolume volume, boolean writable, List<BlockFilter> filters) {
        int index = Math.floorMod(next.getAndIncrement(), threads.size());
        return new OpenVolume(threads.get(index).lane(), volume, writable, filters);
    }

    /** Starts to serve a disk. The engine closes the volume, also when this fails. */
    public ActiveVdi activate(
            UUID uuid,
            StoreVolume volume,
            ImageFormat format,
            boolean writable,
            Operation operation) {
        return activate(uuid, volume, format, writable, operation, List.of(), List.of());
    }

    /**
     * Starts to serve a disk with filters.
     *
     * @param below filters in front of the volume, the nearest first
     * @param above filters in front of the disk, the nearest first
     */
    public ActiveVdi activate(
            UUID uuid,
            StoreVolume volume,
            ImageFormat format,
            boolean writable,
            Operation operation,
            List<BlockFilter> below,
            List<BlockFilter> above) {
        if (active.containsKey(uuid)) {
            volume.close();
            throw isActive(uuid);
        }
        OpenVolume open = open(volume, writable, below);
        try {
            ImageLayer layer = format.open(open.access(operation), writable);
            ActiveVdi vdi =
                    new ActiveVdi(
                            uuid,
                            open,
                            layer,
                            writable,
                            context.requestsPerVdi(),
                            above,
                            () -> active.remove(uuid));
            if (active.putIfAbsent(uuid, vdi) != null) {
                throw isActive(uuid);
            }
            return vdi;
        } catch (RuntimeException | Error e) {
            open.close();
            throw e;
        }
    }

    private static StorageException isActive(UUID uuid) {
        return ErrorCode.SR_VDI_IN_USE.because("disk " + uuid + " is active already");
    }

    /** The disk, if it is active. */
    public Optional<ActiveVdi> find(UUID uuid) {
        return Optional.ofNullable(active.get(uuid));
    }

    /** All active disks. */
    public Collection<ActiveVdi> activeDisks() {
        return List.copyOf(active.values());
    }

    /** One line on each lane, for people. */
    public List<String> describe() {
        return threads.stream()
                .map(LaneThread::lane)
                .map(
                        lane ->
                                "%s: %s, %d disks"
                                        .formatted(
                                                lane.name(),
                                                lane.io().name(),
                                                active.values().stream()
                                                        .filter(vdi -> vdi.lane() == lane)
                                                        .count()))
                .toList();
    }

    /** Stops the lanes. Disks that are still active are left as after a crash. */
    @Override
    public void close() {
        threads.forEach(LaneThread::close);
    }
}
