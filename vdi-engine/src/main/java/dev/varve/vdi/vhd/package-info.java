// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The VHD image format: one type for each structure on disk, and the layer that runs on a lane.
 *
 * <p>Source of the format: Microsoft's Virtual Hard Disk Image Format Specification 1.0, and for
 * the hidden mark, the batmap and the 4 KiB alignment of blocks the files that blktap's libvhd
 * writes. All numbers are big-endian. {@code docs/formats/vhd.md} shows a whole image.
 */
package dev.varve.vdi.vhd;
