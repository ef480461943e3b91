// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.Mapping;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.function.Supplier;

/** Plants defects of which the simulation must find each: one that finds nothing proves nothing. */
class CanaryTest {
    private static final int SEEDS = 600;

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
    private static final class WatchedLayer implements ImageLayer {
        private final ImageLayer layer;
        private final Runnable beginning;
        private int running;

        WatchedLayer(ImageLayer layer, Runnable beginning) {
            this.layer = layer;
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

        @Override
        public long sizeBytes() {
            return layer.sizeBytes();
        }

        @Override
        public void bind(LayerHost host) {
            layer.bind(host);
        }

        @Override
        public void lookup(BlockRequest request, long offset, long length, Mapping answer) {
            layer.lookup(request, offset, length, answer);
        }

        @Override
        public void prepare(BlockRequest request, long offset, long length, Mapping answer) {
            layer.prepare(request, offset, length, answer);
        }

        @Override
        public void written(long offset, long length) {
            layer.written(offset, length);
        }

        @Override
        public void abandoned(long offset, long length) {
            layer.abandoned(offset, length);
        }

        @Override
        public boolean needsCommit(long offset, long length) {
            return layer.needsCommit(offset, length);
        }

        @Override
        public void failed(IoStatus status) {
            layer.failed(status);
        }

        @Override
        public boolean isDirty() {
            return layer.isDirty();
        }

        @Override
        public void resize(BlockAccess access, long newSizeBytes) {
            layer.resize(access, newSizeBytes);
        }

        @Override
        public void seal(BlockAccess access) {
            layer.seal(access);
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
    void findsDurableWritesThatAreNot() {
        assertFound(medium(NoDurableWrites::new));
    }

    @Test
    void findsFlushesThatAreNotDone() {
        assertFound(medium(HalfTheFlushes::new));
    }
}
