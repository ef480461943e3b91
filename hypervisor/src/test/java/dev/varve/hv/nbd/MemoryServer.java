// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.MemoryDevice;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.ParentSource;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.filter.FaultFilter;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** An NBD server for disks in memory, over a device whose faults the test chooses. */
final class MemoryServer implements AutoCloseable {
    static final long SIZE = 64 << 20;

    final Path socket;
    final VdiEngine engine;
    final NbdServer nbd;
    final FaultFilter faults = new FaultFilter();
    private final List<Throwable> trouble = new ArrayList<>();
    private final Operation operation = Operation.unbounded("test", Clock.system());

    private record MemoryVolume(MemoryDevice memory) implements StoreVolume {
        @Override
        public VolumeId id() {
            return new VolumeId(VolumeKind.RAW, new UUID(3, 4));
        }

        @Override
        public BlockDevice device() {
            return memory;
        }

        @Override
        public CompletionStage<Long> grow(long sizeBytes) {
            return CompletableFuture.failedStage(new IllegalStateException("it has one size"));
        }

        @Override
        public void shrink(long sizeBytes) {}

        @Override
        public void close() {
            memory.close();
        }
    }

    MemoryServer(Path directory) {
        socket = directory.resolve("nbd.sock");
        EngineContext context =
                EngineContext.defaults(
                        Clock.system(),
                        (lane, thrown) -> {
                            synchronized (trouble) {
                                trouble.add(thrown);
                            }
                        });
        engine = new VdiEngine(context.withLanes(2));
        nbd = new NbdServer(socket, engine.lanes().getFirst());
    }

    ActiveVdi serve(boolean writable) {
        MemoryDevice memory = new MemoryDevice(new Geometry(SIZE, 512, 4096, 1));
        ActiveVdi vdi =
                engine.activate(
                        UUID.randomUUID(),
                        new VdiEngine.Leaf(
                                new MemoryVolume(memory), new RawFormat(), ParentSource.NONE),
                        writable,
                        operation,
                        List.of(faults),
                        List.of());
        nbd.export(vdi);
        return vdi;
    }

    /** Changes the faults of the disk and waits until that is done. */
    void onLane(ActiveVdi vdi, Runnable task) {
        onLane(vdi.lane(), task);
    }

    void onLane(Lane lane, Runnable task) {
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        lane.execute(
                () -> {
                    task.run();
                    done.complete(true);
                });
        done.orTimeout(30, TimeUnit.SECONDS).join();
    }

    void end(ActiveVdi vdi) {
        nbd.unexport(vdi.uuid());
        vdi.close(Operation.within("close", Clock.system(), 20, TimeUnit.SECONDS));
    }

    /** Waits, turn by turn, until so many connections are left. */
    void awaitConnections(int count) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (nbd.connectionCount() != count) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(
                        nbd.connectionCount() + " connections where " + count + " are expected");
            }
            engine.lanes().forEach(lane -> onLane(lane, () -> {}));
        }
    }

    @Override
    public void close() {
        nbd.close();
        engine.close();
        synchronized (trouble) {
            if (!trouble.isEmpty()) {
                throw new AssertionError("a stage threw", trouble.getFirst());
            }
        }
    }
}
