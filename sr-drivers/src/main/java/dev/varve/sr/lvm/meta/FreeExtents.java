// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The runs of extents that belong to no logical volume, by physical volume and place.
 *
 * <p><b>Threads:</b> any; immutable.
 *
 * @param runs in the order of the physical volumes, then of places; no two touch each other
 * @param total how many extents they have together
 */
record FreeExtents(List<ExtentRun> runs, long total) {
    /** A run in use, and by whom. */
    private record Used(ExtentRun run, String volume) {}

    FreeExtents(List<ExtentRun> runs) {
        this(List.copyOf(runs), runs.stream().mapToLong(ExtentRun::count).sum());
    }

    /**
     * What volumes leave free.
     *
     * @throws dev.varve.vdi.StorageException SR_METADATA when they use an extent twice, or one that
     *     there is not
     */
    static FreeExtents of(
            Map<String, PhysicalVolume> pvs, Collection<LogicalVolume> volumes, String where) {
        Map<String, List<Used>> used = new HashMap<>();
        for (LogicalVolume volume : volumes) {
            for (Segment segment : volume.segments()) {
                for (ExtentRun run : segment.runs()) {
                    used.computeIfAbsent(run.pv(), name -> new ArrayList<>())
                            .add(new Used(run, volume.name()));
                }
            }
        }
        List<ExtentRun> free = new ArrayList<>();
        for (PhysicalVolume pv : pvs.values()) {
            List<Used> runs = used.getOrDefault(pv.name(), new ArrayList<>());
            runs.sort(Comparator.comparingLong(one -> one.run().start()));
            collectGaps(pv, runs, where, free);
        }
        return new FreeExtents(free);
    }

    private static void collectGaps(
            PhysicalVolume pv, List<Used> runs, String where, List<ExtentRun> free) {
        Used before = new Used(new ExtentRun(pv.name(), 0, 0), "");
        for (Used used : runs) {
            ExtentRun run = used.run();
            long end = before.run().end();
            if (run.start() < end) {
                throw overlap(before, used, where);
            }
            if (run.count() > pv.extents() - run.start()) {
                throw beyond(used, pv, where);
            }
            addGap(new ExtentRun(pv.name(), end, run.start() - end), free);
            before = used;
        }
        long end = before.run().end();
        addGap(new ExtentRun(pv.name(), end, pv.extents() - end), free);
    }

    private static void addGap(ExtentRun gap, List<ExtentRun> free) {
        if (gap.count() > 0) {
            free.add(gap);
        }
    }

    private static RuntimeException overlap(Used one, Used other, String where) {
        return ErrorCode.SR_METADATA.because(
                "the logical volumes '%s' and '%s' of %s both use extent %d of '%s'"
                        .formatted(
                                one.volume(),
                                other.volume(),
                                where,
                                other.run().start(),
                                other.run().pv()));
    }

    private static RuntimeException beyond(Used used, PhysicalVolume pv, String where) {
        return ErrorCode.SR_METADATA.because(
                "the logical volume '%s' of %s uses extents %d to %d of '%s', which has %d"
                        .formatted(
                                used.volume(),
                                where,
                                used.run().start(),
                                used.run().end() - 1,
                                pv.name(),
                                pv.extents()));
    }
}
