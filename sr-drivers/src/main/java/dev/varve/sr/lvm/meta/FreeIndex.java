// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Finds free runs by place and by size, in a time that grows with the logarithm of their number.
 *
 * <p>Runs of physical volumes from which nothing may be taken are kept, but never found.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class FreeIndex {
    private final Map<String, TreeMap<Long, ExtentRun>> byPlace = new LinkedHashMap<>();
    private final Map<String, Integer> order = new HashMap<>();
    private final TreeSet<ExtentRun> bySize;
    private final Map<String, PhysicalVolume> pvs;
    private long total;

    FreeIndex(Map<String, PhysicalVolume> pvs, FreeExtents free) {
        this.pvs = pvs;
        for (String name : pvs.keySet()) {
            order.put(name, order.size());
            byPlace.put(name, new TreeMap<>());
        }
        bySize =
                new TreeSet<>(
                        Comparator.comparingLong(ExtentRun::count)
                                .thenComparing(run -> order.get(run.pv()))
                                .thenComparingLong(ExtentRun::start));
        free.runs().forEach(this::add);
    }

    /** How many extents may be taken. */
    long total() {
        return total;
    }

    /** The free run that begins at a place, if one does. */
    Optional<ExtentRun> at(String pv, long extent) {
        return Optional.ofNullable(byPlace.get(pv).get(extent)).filter(this::isAllocatable);
    }

    /** The smallest free run that has at least so many extents: the first one of that size. */
    Optional<ExtentRun> smallest(long extents) {
        if (bySize.isEmpty()) {
            return Optional.empty();
        }
        String first = byPlace.keySet().iterator().next();
        return Optional.ofNullable(bySize.ceiling(new ExtentRun(first, 0, extents)));
    }

    /** The largest free run; there must be one. */
    ExtentRun largest() {
        return bySize.last();
    }

    /** Takes the first extents of a free run. */
    void take(ExtentRun run, long extents) {
        remove(run);
        if (extents < run.count()) {
            add(new ExtentRun(run.pv(), run.start() + extents, run.count() - extents));
        }
    }

    /** Has a run be free, which it was not. */
    void give(ExtentRun run) {
        TreeMap<Long, ExtentRun> places = byPlace.get(run.pv());
        ExtentRun whole = run;
        Map.Entry<Long, ExtentRun> before = places.floorEntry(run.start());
        if (before != null && before.getValue().end() == run.start()) {
            remove(before.getValue());
            whole =
                    new ExtentRun(
                            run.pv(), before.getKey(), before.getValue().count() + run.count());
        }
        ExtentRun after = places.get(run.end());
        if (after != null) {
            remove(after);
            whole = new ExtentRun(run.pv(), whole.start(), whole.count() + after.count());
        }
        add(whole);
    }

    private void add(ExtentRun run) {
        byPlace.get(run.pv()).put(run.start(), run);
        if (isAllocatable(run)) {
            bySize.add(run);
            total += run.count();
        }
    }

    private void remove(ExtentRun run) {
        byPlace.get(run.pv()).remove(run.start());
        if (bySize.remove(run)) {
            total -= run.count();
        }
    }

    private boolean isAllocatable(ExtentRun run) {
        return pvs.get(run.pv()).isAllocatable();
    }

    /** What is free now. */
    FreeExtents snapshot() {
        List<ExtentRun> runs = new ArrayList<>();
        byPlace.values().forEach(places -> runs.addAll(places.values()));
        return new FreeExtents(runs);
    }
}
