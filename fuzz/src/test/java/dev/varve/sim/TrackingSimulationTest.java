// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.image.CommitGuard;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.MetadataCache;
import dev.varve.vdi.store.VolumeId;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/** Changed blocks through losses of power. {@code -Dsim.seed=N} runs one simulation only. */
@Tag("sim")
class TrackingSimulationTest {
    private static final int FIXED_SEEDS = 40;
    private static final int CANARY_SEEDS = 200;
    private static final int MOST_FAILURES = 5;

    @Test
    void tellsEveryBlockThatDiffers() {
        Long only = Long.getLong("sim.seed");
        if (only != null) {
            TrackingSimulation.run(new Seed(only), TreeSabotage.NONE, false);
            return;
        }
        TrackingSimulation.Counts counts = run(1, FIXED_SEEDS, false);
        assertTrue(counts.differing > 500, "something was compared");
        int same = counts.blocks - counts.differing;
        assertTrue(counts.told - counts.differing < same / 4, "what has not changed is not told");
    }

    @Test
    @Tag("long")
    void tellsEveryBlockThatDiffersWithRandomSeeds() {
        long first = RandomGenerator.getDefault().nextLong(1L << 48);
        run(first, Integer.getInteger("sim.seeds", 10_000), true);
    }

    private static TrackingSimulation.Counts run(long first, int count, boolean merges) {
        List<String> failures = Collections.synchronizedList(new ArrayList<>());
        TrackingSimulation.Counts counts = new TrackingSimulation.Counts();
        Seeds.each(
                first,
                count,
                seed -> {
                    try {
                        TrackingSimulation.Counts one =
                                TrackingSimulation.run(new Seed(seed), TreeSabotage.NONE, merges);
                        synchronized (counts) {
                            counts.add(one);
                        }
                    } catch (SimulationFailure e) {
                        failures.add(e.getMessage());
                    }
                    return failures.size() < MOST_FAILURES;
                });
        System.out.printf("tracked disks, %d seeds from %d on: %s%n", count, first, counts);
        assertTrue(failures.isEmpty(), () -> String.join("\n\n", failures));
        return counts;
    }

    /** Nothing waits for its note, whatever it is written over. */
    @Test
    void findsChangesThatAreSeenBeforeTheyAreNoted() {
        assertFound(
                new TreeSabotage() {
                    @Override
                    public ImageLayer wrap(ImageLayer layer, Supplier<VolumeId> name) {
                        return new ForwardingLayer(layer) {
                            @Override
                            public boolean showsAtOnce(long offset, long length) {
                                return false;
                            }
                        };
                    }
                });
    }

    /** Commits of images do not wait for notes. */
    @Test
    void findsCommitsThatComeBeforeTheNotes() {
        assertFound(
                new TreeSabotage() {
                    @Override
                    public ImageLayer wrap(ImageLayer layer, Supplier<VolumeId> name) {
                        return new ForwardingLayer(layer) {
                            @Override
                            public void bind(LayerHost host) {
                                layer.bind(new Unguarded(host));
                            }
                        };
                    }
                });
    }

    private record Unguarded(LayerHost host) implements LayerHost {
        @Override
        public IoContext context() {
            return host.context();
        }

        @Override
        public BlockDevice device() {
            return host.device();
        }

        @Override
        public MetadataCache metadata() {
            return host.metadata();
        }

        @Override
        public void grow(long sizeBytes, GrowListener listener) {
            host.grow(sizeBytes, listener);
        }

        @Override
        public CommitGuard guard() {
            return null;
        }
    }

    private static void assertFound(TreeSabotage sabotage) {
        assertTrue(
                Seeds.any(CANARY_SEEDS, seed -> finds(new Seed(seed), sabotage)),
                () -> "the defect was not found in " + CANARY_SEEDS + " simulations");
    }

    private static boolean finds(Seed seed, TreeSabotage sabotage) {
        try {
            TrackingSimulation.run(seed, sabotage, false);
            return false;
        } catch (SimulationFailure found) {
            assertTrue(found.getMessage().contains("not told as changed"), found.getMessage());
            return true;
        }
    }
}
