// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.VolumeGroup;
import dev.varve.vdi.store.StoreSpace;

/**
 * Extents that disks do not get by growing, so that there are some for snapshots, merges and the
 * group's own volumes when all others are taken. Nothing on the medium says so: it is a rule of
 * whoever gives extents out.
 *
 * <table>
 * <caption>how many</caption>
 * <tr><td>wanted</td><td>a two-hundredth of the group, at least 64 MiB, at most 1 GiB</td></tr>
 * <tr><td>but</td><td>never more than a sixteenth of the group</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any.
 */
final class ExtentReserve {
    private static final long MOST_BYTES = 1L << 30;
    private static final long LEAST_BYTES = 64L << 20;
    private static final int PART = 200;
    private static final int SMALL_PART = 16;

    private long given;

    /** How many extents are to be kept back of a group. */
    static long wanted(VolumeGroup group) {
        long extent = group.extentBytes();
        long bytes = group.extents() * extent;
        long wanted = Math.clamp(bytes / PART, LEAST_BYTES, MOST_BYTES);
        return Math.min(wanted, bytes / SMALL_PART) / extent;
    }

    /** How many extents are kept back now. What was given up is again when there is room for it. */
    synchronized long kept(VolumeGroup group) {
        long wanted = wanted(group);
        if (group.freeExtents() >= 2 * wanted) {
            given = 0;
        }
        return Math.clamp(wanted - given, 0, group.freeExtents());
    }

    /**
     * Gives extents up.
     *
     * @return how many, 0 when none are kept back
     */
    synchronized long use(VolumeGroup group, long bytes) {
        long extent = group.extentBytes();
        long asked = bytes / extent + (bytes % extent == 0 ? 0 : 1);
        long kept = kept(group);
        long used = Math.clamp(asked, 0, kept);
        // What is not there to keep is not kept any more either.
        given = wanted(group) - (kept - used);
        return used;
    }

    /** The room of a group for disks. */
    StoreSpace space(VolumeGroup group) {
        long free = group.freeExtents() - kept(group);
        return new StoreSpace(
                group.extents() * group.extentBytes(),
                (group.extents() - free) * group.extentBytes());
    }
}
