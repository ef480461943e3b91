// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageLayer;

import org.junit.jupiter.api.Test;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;

/** Plants defects of which the simulation must find each: one that finds nothing proves nothing. */
class CanaryTest {
    private static final int SEEDS = 1500;

    /**
     * Does not do the first flush of a commit that has metadata to write, so that the table and the
     * bitmaps may be on the medium before what they name. The flush behind the metadata is real,
     * and so every promise to the guest is kept: only the order is wrong.
     */
    private static final class EarlyMetadata implements Sabotage {
        private boolean skipsNext;

        @Override
        public List<BlockFilter> aboveMedium() {
            skipsNext = false;
            return List.of(new SkippingFilter());
        }

        @Override
        public ImageLayer wrap(ImageLayer layer) {
            return new WatchedLayer(layer, () -> skipsNext = true);
        }

        private final class SkippingFilter extends BlockFilter {
            @Override
            public void submit(BlockRequest request) {
                if (request.op == BlockOp.FLUSH && skipsNext) {
                    skipsNext = false;
                    request.context.atEndOfTurn(() -> request.complete(IoStatus.OK));
                } else {
                    next().submit(request);
                }
            }
        }
    }

    /** Tells when a commit with metadata begins; those that wait for another one are left alone. */
    private static final class WatchedLayer extends ForwardingLayer {
        private final Runnable beginning;
        private int running;

        WatchedLayer(ImageLayer layer, Runnable beginning) {
            super(layer);
            this.beginning = beginning;
        }

        @Override
        public void commit(CommitListener listener) {
            if (running++ == 0 && layer.isDirty()) {
                beginning.run();
            }
            layer.commit(
                    status -> {
                        running--;
                        listener.committed(status);
                    });
        }
    }

    /**
     * Uses the places of blocks that were given up anew while the commit that clears their entries
     * is being made durable, which takes long. Nobody is told that it is durable before it is.
     */
    private static final class EarlyReuse implements Sabotage {
        private static final long LONG_NANOS = 20_000_000;

        private final Deque<CommitListener> waiting = new ArrayDeque<>();
        private int flushesToCome;
        private boolean running;
        private Runnable real;
        private CommitListener told;

        @Override
        public List<BlockFilter> aboveMedium() {
            waiting.clear();
            flushesToCome = 0;
            running = false;
            return List.of(new EarlyFilter());
        }

        @Override
        public ImageLayer wrap(ImageLayer layer) {
            return new EarlyLayer(layer);
        }

        private final class EarlyFilter extends BlockFilter {
            @Override
            public void submit(BlockRequest request) {
                if (request.op != BlockOp.FLUSH || flushesToCome == 0 || --flushesToCome > 0) {
                    next().submit(request);
                    return;
                }
                IoContext lane = request.context;
                real = () -> lane.schedule(new LaneTimer(() -> flush(lane)), LONG_NANOS);
                lane.atEndOfTurn(() -> request.complete(IoStatus.OK));
            }

            private void flush(IoContext lane) {
                BlockRequest flush = lane.acquire().set(BlockOp.FLUSH, 0, 0, 0);
                flush.push(this::flushed);
                next().submit(flush);
            }

            private void flushed(BlockRequest flush) {
                IoStatus status = flush.status;
                flush.context.release(flush);
                told.committed(status);
            }
        }

        private final class EarlyLayer extends ForwardingLayer {
            EarlyLayer(ImageLayer layer) {
                super(layer);
            }

            @Override
            public boolean needsCommit(long offset, long length) {
                return running || layer.needsCommit(offset, length);
            }

            @Override
            public void commit(CommitListener listener) {
                waiting.add(listener);
                if (!running) {
                    begin();
                }
            }

            private void begin() {
                running = true;
                List<CommitListener> served = List.copyOf(waiting);
                waiting.clear();
                told = status -> end(served, status);
                flushesToCome = layer.isDirty() ? 2 : 0;
                real = null;
                layer.commit(this::committed);
            }

            private void committed(IoStatus status) {
                if (real == null) {
                    told.committed(status);
                    return;
                }
                if (layer.retireFreed()) {
                    layer.reuseFreed();
                }
                real.run();
            }

            private void end(List<CommitListener> served, IoStatus status) {
                running = false;
                served.forEach(listener -> listener.committed(status));
                if (!running && !waiting.isEmpty()) {
                    begin();
                }
            }
        }
    }

    /** Forgets that a write was to be durable by itself. */
    private static final class NoDurableWrites extends BlockFilter {
        @Override
        public void submit(BlockRequest request) {
            request.flags &= ~BlockRequest.FUA;
            next().submit(request);
        }
    }

    /** Answers every second flush without doing it. */
    private static final class HalfTheFlushes extends BlockFilter {
        private int flushes;

        @Override
        public void submit(BlockRequest request) {
            if (request.op == BlockOp.FLUSH && ++flushes % 2 == 0) {
                request.context.atEndOfTurn(() -> request.complete(IoStatus.OK));
            } else {
                next().submit(request);
            }
        }
    }

    private static Sabotage medium(Supplier<BlockFilter> filter) {
        return new Sabotage() {
            @Override
            public List<BlockFilter> aboveMedium() {
                return List.of(filter.get());
            }
        };
    }

    /** The first seed that finds the defect. */
    private static long find(Sabotage sabotage) {
        for (long seed = 1; seed <= SEEDS; seed++) {
            try {
                Simulation.run(new Seed(seed), sabotage);
            } catch (SimulationFailure found) {
                return seed;
            }
        }
        return Long.MAX_VALUE;
    }

    private static void assertFound(Sabotage sabotage) {
        long seed = find(sabotage);
        assertTrue(seed <= SEEDS, () -> "none of " + SEEDS + " seeds found the defect");
    }

    @Test
    void findsMetadataThatIsWrittenBeforeItsData() {
        assertFound(new EarlyMetadata());
    }

    @Test
    void findsPlacesThatAreUsedAnewTooEarly() {
        assertFound(new EarlyReuse());
    }

    @Test
    void findsDurableWritesThatAreNot() {
        assertFound(medium(NoDurableWrites::new));
    }

    @Test
    void findsFlushesThatAreNotDone() {
        assertFound(medium(HalfTheFlushes::new));
    }
}
