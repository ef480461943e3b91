// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.RunningMerge;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.engine.ImageMerge.Direction;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * The merges of images of a simulation, which go on beside everything else: several at once, begun
 * in either direction, ended or given up at any time. They change what no disk shows.
 */
final class TreeMerges {
    private static final int MOST_RUNNING = 4;

    private final RandomGenerator random;
    private final TreeCounts counts;
    private final List<RunningMerge> running = new ArrayList<>();
    private TreeHost host;

    TreeMerges(RandomGenerator random, TreeCounts counts) {
        this.random = random;
        this.counts = counts;
    }

    /** A host was switched on; what went on on the last one does not any more. */
    void powerOn(TreeHost on) {
        host = on;
        running.clear();
    }

    private Operation operation() {
        return host.machine().operation();
    }

    /** Whether there is one that can be ended. */
    boolean isAny() {
        return !running.isEmpty();
    }

    /** Begins one, if images can be merged. */
    void begin() {
        List<Merge> possible = host.disks().merges(operation());
        if (possible.isEmpty() || running.size() == MOST_RUNNING) {
            return;
        }
        Merge merge = possible.get(random.nextInt(possible.size()));
        try {
            running.add(
                    host.disks()
                            .merge(random.nextInt(3) == 0 ? turned(merge) : merge, operation()));
            counts.mergesBegun++;
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
        }
    }

    /** The same the other way, although that costs more. */
    private static Merge turned(Merge merge) {
        return new Merge(
                merge.child(),
                merge.parent(),
                merge.direction() == Direction.UP ? Direction.DOWN : Direction.UP,
                merge.isLeaf(),
                merge.disks(),
                merge.root(),
                merge.depth(),
                merge.bytes());
    }

    /** Waits for one to end, and commits it. */
    void finish() {
        finish(running.remove(random.nextInt(running.size())));
    }

    private void finish(RunningMerge merge) {
        if (merge.finish(operation()).isPresent()) {
            counts.merges++;
        }
    }

    /** Gives one up. */
    void cancel() {
        running.remove(random.nextInt(running.size())).cancel();
        counts.mergesCancelled++;
    }

    /** Ends all of them, in one way or the other. */
    void endAll() {
        while (isAny()) {
            if (random.nextBoolean()) {
                finish();
            } else {
                cancel();
            }
        }
    }

    /** Removes what nobody needs, and merges until nothing is left to be merged. */
    void collect() {
        host.disks().removeGarbage(operation());
        int most = 1000;
        for (List<Merge> possible = host.disks().merges(operation());
                !possible.isEmpty();
                possible = host.disks().merges(operation())) {
            RunningMerge begun = host.disks().merge(possible.getFirst(), operation());
            counts.mergesBegun++;
            finish(begun);
            if (--most == 0) {
                throw new SimulationFailure("merging does not come to an end: " + possible);
            }
        }
        host.disks().removeGarbage(operation());
    }

    /** After all was collected every inner node is there because several images rest on it. */
    static void checkCollected(List<VdiInfo> all) {
        Map<UUID, Integer> children = new HashMap<>();
        all.forEach(
                info -> info.parent().ifPresent(parent -> children.merge(parent, 1, Integer::sum)));
        for (VdiInfo info : all) {
            int count = children.getOrDefault(info.uuid(), 0);
            if (!info.managed() && count < 2) {
                throw new SimulationFailure(
                        "after all was collected %d images rest on the inner node %s"
                                .formatted(count, info));
            }
        }
    }
}
