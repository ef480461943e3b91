// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.Locale;
import java.util.random.RandomGenerator;

/** What kind of store a simulation runs on. */
enum StoreKind {
    /** Files of a directory: {@link FileSimStore}. */
    FILE(false, false),
    /** Extents of a block device: {@link MemoryVolumeStore}. */
    MEMORY(true, false),
    /** Files behind a {@link SimServer}, as on NFS. */
    REMOTE_FILES(false, true),
    /** Extents behind a {@link SimServer}, as on iSCSI. */
    REMOTE_BLOCKS(true, true);

    private final boolean blocks;
    private final boolean remote;

    StoreKind(boolean blocks, boolean remote) {
        this.blocks = blocks;
        this.remote = remote;
    }

    /** What it is called in summaries. */
    String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    /** Whether the medium outlives hosts and may forget what was not flushed. */
    boolean isRemote() {
        return remote;
    }

    /** One of them; each of the three stores as often as the others. */
    static StoreKind choose(RandomGenerator random) {
        return switch (random.nextInt(6)) {
            case 0, 1 -> FILE;
            case 2, 3 -> MEMORY;
            case 4 -> REMOTE_FILES;
            default -> REMOTE_BLOCKS;
        };
    }

    /** How the medium behaves. */
    FaultPlan plan(RandomGenerator random) {
        FaultPlan plan = blocks ? FaultPlan.chooseForExtents(random) : FaultPlan.choose(random);
        return remote ? plan.withDurableSizes() : plan;
    }

    /** The store. */
    SimStore open(SimStore.Setting setting) {
        return blocks ? new MemoryVolumeStore(setting) : new FileSimStore(setting);
    }
}
