// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.Segment;
import dev.varve.vdi.ErrorCode;

import java.util.List;

/**
 * Where the bytes of a logical volume lie on the medium.
 *
 * <p><b>Threads:</b> any; immutable. Looking up allocates nothing.
 */
final class ExtentMap {
    /** Tells where an extent of a physical volume begins on the medium, in bytes. */
    @FunctionalInterface
    interface Places {
        long offsetOf(String pv, long extent);
    }

    private final long[] ends;
    private final long[] shifts;

    private ExtentMap(long[] ends, long[] shifts) {
        this.ends = ends;
        this.shifts = shifts;
    }

    /**
     * The map of a volume.
     *
     * @throws dev.varve.vdi.StorageException VDI_LOAD when a part of it is not linear
     */
    static ExtentMap of(LogicalVolume volume, long extentBytes, Places places) {
        List<Segment> segments = volume.segments();
        long[] ends = new long[segments.size()];
        long[] shifts = new long[segments.size()];
        for (int i = 0; i < ends.length; i++) {
            if (!(segments.get(i) instanceof Segment.Linear linear)) {
                throw ErrorCode.VDI_LOAD.because(
                        "the logical volume %s cannot be used: it is not linear"
                                .formatted(volume.name()));
            }
            ends[i] = linear.endExtent() * extentBytes;
            shifts[i] =
                    places.offsetOf(linear.pv(), linear.pvExtent())
                            - linear.startExtent() * extentBytes;
        }
        return new ExtentMap(ends, shifts);
    }

    /** How large the volume is, in bytes. */
    long sizeBytes() {
        return ends.length == 0 ? 0 : ends[ends.length - 1];
    }

    /** The piece that has an offset of the volume, which must be less than its size. */
    int piece(long offset) {
        int low = 0;
        int high = ends.length - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (offset < ends[middle]) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    /** Where a piece ends, as an offset of the volume. */
    long end(int piece) {
        return ends[piece];
    }

    /** The offset on the medium of an offset of the volume that lies in a piece. */
    long onMedium(int piece, long offset) {
        return offset + shifts[piece];
    }
}
