// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/**
 * The shape of a device.
 *
 * @param sizeBytes how large it is; a multiple of the logical block
 * @param logicalBlockBytes what offsets and lengths have to be multiples of; a power of two
 * @param physicalBlockBytes what the medium writes at once; a power of two, at least the logical
 *     block
 * @param memoryAlignmentBytes what the address of a buffer has to be a multiple of; a power of two
 */
public record Geometry(
        long sizeBytes, int logicalBlockBytes, int physicalBlockBytes, int memoryAlignmentBytes) {
    /** The sector of a virtual disk, in bytes. */
    public static final int SECTOR_BYTES = 512;

    /** Checks the shape. */
    public Geometry {
        if (Integer.bitCount(logicalBlockBytes) != 1
                || Integer.bitCount(physicalBlockBytes) != 1
                || Integer.bitCount(memoryAlignmentBytes) != 1
                || physicalBlockBytes < logicalBlockBytes
                || sizeBytes < 0
                || sizeBytes % logicalBlockBytes != 0) {
            throw new IllegalArgumentException(
                    "not a geometry: size %d, blocks of %d and %d, memory alignment %d"
                            .formatted(
                                    sizeBytes,
                                    logicalBlockBytes,
                                    physicalBlockBytes,
                                    memoryAlignmentBytes));
        }
    }

    /** The same shape with another size. */
    public Geometry withSize(long newSizeBytes) {
        return new Geometry(
                newSizeBytes, logicalBlockBytes, physicalBlockBytes, memoryAlignmentBytes);
    }

    /** Whether a range begins and ends at logical blocks. */
    public boolean isAligned(long offset, long length) {
        return ((offset | length) & (logicalBlockBytes - 1)) == 0;
    }
}
