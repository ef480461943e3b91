// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockDeviceContract;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.time.Clock;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** A file, by each backend. */
class RawFileDeviceTest {
    @TempDir Path directory;

    /** A subject on a lane with its own thread. */
    static final class Threaded extends BlockDeviceContract.Subject {
        private final VdiEngine engine;
        private final Throwable[] trouble;

        Threaded(VdiEngine engine, BlockDevice device, Throwable[] trouble) {
            super(device);
            this.engine = engine;
            this.trouble = trouble;
        }

        @Override
        protected void execute(Runnable task) {
            engine.lanes().getFirst().execute(task);
        }

        @Override
        protected BlockRequest request() {
            return new BlockRequest(engine.lanes().getFirst());
        }

        @Override
        protected void await(BooleanSupplier condition) throws Exception {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
            while (!condition.getAsBoolean()) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("the request does not end");
                }
                CompletableFuture<Boolean> turn = new CompletableFuture<>();
                execute(() -> turn.complete(true));
                turn.get(30, TimeUnit.SECONDS);
            }
        }

        @Override
        public void close() {
            engine.close();
            graph().close();
            if (trouble[0] != null) {
                throw new AssertionError("a stage threw", trouble[0]);
            }
        }
    }

    private BlockDeviceContract.Subject open(EngineContext.Backend backend, boolean direct)
            throws Exception {
        Path path = directory.resolve("file" + System.nanoTime());
        try (RandomAccessFile file = new RandomAccessFile(path.toString(), "rw")) {
            file.setLength(BlockDeviceContract.SIZE);
        }
        Throwable[] trouble = new Throwable[1];
        EngineContext context =
                EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble[0] = thrown);
        VdiEngine engine = new VdiEngine(context.withBackend(backend).withLanes(1));
        RawFileDevice device = new RawFileDevice(IoFile.open(path, true, direct), true);
        return new Threaded(engine, device, trouble);
    }

    @Nested
    class ByIoUring implements BlockDeviceContract {
        @Override
        public Subject open(int blockBytes) throws Exception {
            return RawFileDeviceTest.this.open(EngineContext.Backend.IO_URING, blockBytes == 512);
        }
    }

    @Nested
    class ByThePool implements BlockDeviceContract {
        @Override
        public Subject open(int blockBytes) throws Exception {
            return RawFileDeviceTest.this.open(EngineContext.Backend.POOL, blockBytes == 512);
        }
    }
}
