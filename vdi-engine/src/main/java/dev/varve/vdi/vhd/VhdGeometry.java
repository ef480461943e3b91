// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

/** The cylinders, heads and sectors that the specification's appendix computes from a size. */
final class VhdGeometry {
    private static final long LARGEST_SECTORS = 65535L * 16 * 255;
    private static final int SECTOR_BYTES = 512;

    private VhdGeometry() {}

    /** The geometry as it lies in the footer: cylinders, heads and sectors per track. */
    static int of(long sizeBytes) {
        long sectors = Math.min(sizeBytes / SECTOR_BYTES, LARGEST_SECTORS);
        long perTrack;
        long heads;
        long cylinderTimesHeads;
        if (sectors > 65535L * 16 * 63) {
            perTrack = 255;
            heads = 16;
            cylinderTimesHeads = sectors / perTrack;
        } else {
            perTrack = 17;
            cylinderTimesHeads = sectors / perTrack;
            heads = Math.max(4, (cylinderTimesHeads + 1023) / 1024);
            if (cylinderTimesHeads >= heads * 1024 || heads > 16) {
                perTrack = 31;
                heads = 16;
                cylinderTimesHeads = sectors / perTrack;
            }
            if (cylinderTimesHeads >= heads * 1024) {
                perTrack = 63;
                heads = 16;
                cylinderTimesHeads = sectors / perTrack;
            }
        }
        long cylinders = cylinderTimesHeads / heads;
        return (int) (cylinders << 16 | heads << 8 | perTrack);
    }

    /** How many sectors a geometry counts. */
    static long sectors(int geometry) {
        return (long) (geometry >>> 16) * (geometry >>> 8 & 0xFF) * (geometry & 0xFF);
    }

    /** Cylinders, heads and sectors per track for people. */
    static String text(int geometry) {
        return (geometry >>> 16) + "/" + (geometry >>> 8 & 0xFF) + "/" + (geometry & 0xFF);
    }
}
