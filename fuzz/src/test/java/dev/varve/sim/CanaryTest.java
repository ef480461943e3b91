// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.function.Supplier;

/** Plants defects of which the simulation must find each: one that finds nothing proves nothing. */
class CanaryTest {
    private static final int SEEDS = 600;

    /**
     * Answers a flush at once when a write of metadata is sure to follow it, so that the table and
     * the bitmaps may be on the medium before what they name. The flush behind the metadata is
     * real.
     */
    private static final class EarlyMetadata extends BlockFilter {
        private BlockRequest waiting;

        @Override
        public void submit(BlockRequest request) {
            if (request.op == BlockOp.FLUSH && waiting == null) {
                waiting = request;
                request.context.atEndOfTurn(this::answer);
                return;
            }
            next().submit(request);
        }

        private void answer() {
            BlockRequest flush = waiting;
            flush.complete(IoStatus.OK);
            waiting = null;
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
        assertTrue(seed <= SEEDS, "none of " + SEEDS + " seeds found the defect");
    }

    @Test
    void findsMetadataThatIsWrittenBeforeItsData() {
        assertFound(medium(EarlyMetadata::new));
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
