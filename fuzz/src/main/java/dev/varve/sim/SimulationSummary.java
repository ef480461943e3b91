// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs simulations and keeps count of what they did and found.
 *
 * <p><b>Threads:</b> any. Each simulation is on the thread of its caller; several may run at once.
 */
public final class SimulationSummary {
    private final Map<String, TreeCounts> trees = new TreeMap<>();
    private final List<String> failures = new ArrayList<>();
    private int disks;
    private int diskPowerLosses;

    /** Nothing has run. */
    public SimulationSummary() {}

    /** Runs the simulation of one disk. */
    public void runDisk(Seed seed) {
        try {
            Simulation.Outcome outcome = Simulation.run(seed);
            count(() -> diskPowerLosses += outcome.powerLosses());
        } catch (SimulationFailure e) {
            count(() -> failures.add(e.getMessage()));
        }
        count(() -> disks++);
    }

    /** Runs the simulation of trees of disks. */
    public void runTrees(Seed seed) {
        try {
            TreeSimulation.Outcome outcome = TreeSimulation.run(seed);
            count(() -> countTrees(outcome));
        } catch (SimulationFailure e) {
            count(() -> failures.add(e.getMessage()));
        }
    }

    private void countTrees(TreeSimulation.Outcome outcome) {
        trees.computeIfAbsent(outcome.store(), store -> new TreeCounts()).add(outcome.counts());
    }

    private synchronized void count(Runnable what) {
        what.run();
    }

    /** What was found, each with the command that shows it again. */
    public synchronized List<String> failures() {
        return List.copyOf(failures);
    }

    /** One line for each kind of store, and one for single disks. */
    public synchronized List<String> lines() {
        List<String> lines = new ArrayList<>();
        if (disks > 0) {
            lines.add(
                    "simulation of one disk: %d seeds, %d losses of power"
                            .formatted(disks, diskPowerLosses));
        }
        TreeCounts all = new TreeCounts();
        for (Map.Entry<String, TreeCounts> store : trees.entrySet()) {
            lines.add("simulation of trees on %s: %s".formatted(store.getKey(), store.getValue()));
            all.add(store.getValue());
        }
        if (!trees.isEmpty()) {
            lines.add("simulation of trees: %s; %d failures".formatted(all, failures.size()));
        }
        return lines;
    }
}
