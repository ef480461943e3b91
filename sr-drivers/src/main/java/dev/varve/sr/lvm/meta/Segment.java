// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.List;

/**
 * Extents of a logical volume that follow each other and are mapped in one way.
 *
 * <p><b>Threads:</b> any; immutable.
 */
public sealed interface Segment {
    /** The first extent of the logical volume that it maps. */
    long startExtent();

    /** How many extents it maps. */
    long extentCount();

    /** The runs of physical volumes that belong to it alone, whatever it makes of them. */
    List<ExtentRun> runs();

    /** The first extent behind it. */
    default long endExtent() {
        return startExtent() + extentCount();
    }

    /**
     * The extents lie one after another on one physical volume.
     *
     * @param startExtent the first extent of the logical volume
     * @param extentCount how many extents
     * @param pv the name of the physical volume within the group
     * @param pvExtent the first extent of the physical volume
     */
    record Linear(long startExtent, long extentCount, String pv, long pvExtent) implements Segment {
        @Override
        public List<ExtentRun> runs() {
            return List.of(run());
        }

        /** The extents of the physical volume. */
        public ExtentRun run() {
            return new ExtentRun(pv, pvExtent, extentCount);
        }
    }

    /**
     * A mapping that is not served here, kept as it was read: several stripes, mirrors, RAID,
     * pools, thin volumes, caches, snapshots and whatever else there may be.
     *
     * @param type LVM2's name of the mapping
     * @param runs the runs of physical volumes that it names
     * @param text all of its keys
     */
    record Other(
            long startExtent,
            long extentCount,
            String type,
            List<ExtentRun> runs,
            ConfigNode.Section text)
            implements Segment {
        /** Copies the list. */
        public Other {
            runs = List.copyOf(runs);
        }
    }
}
