// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The header of a sparse VMDK extent.
 *
 * <table>
 * <caption>512 bytes, little-endian; sizes and offsets in sectors of 512 bytes</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>4</td><td>{@code KDMV}</td></tr>
 * <tr><td>4</td><td>4</td><td>version, 1 to 3</td></tr>
 * <tr><td>8</td><td>4</td><td>flags: 0x10000 grains are compressed, 0x20000 there are
 * markers</td></tr>
 * <tr><td>12</td><td>8</td><td>size of the disk</td></tr>
 * <tr><td>20</td><td>8</td><td>size of a grain, a power of two above 4</td></tr>
 * <tr><td>28</td><td>8</td><td>offset of the descriptor</td></tr>
 * <tr><td>36</td><td>8</td><td>size of the descriptor</td></tr>
 * <tr><td>44</td><td>4</td><td>entries of a grain table</td></tr>
 * <tr><td>48</td><td>8</td><td>offset of the redundant grain directory</td></tr>
 * <tr><td>56</td><td>8</td><td>offset of the grain directory; all ones: it is in the footer</td></tr>
 * <tr><td>64</td><td>8</td><td>where the grains begin</td></tr>
 * <tr><td>72</td><td>1</td><td>not closed</td></tr>
 * <tr><td>73</td><td>4</td><td>line ends, to find out about transfers as text</td></tr>
 * <tr><td>77</td><td>2</td><td>compression; 1: deflate (RFC 1950)</td></tr>
 * </table>
 *
 * Source: VMware's "Virtual Disk Format" 5.0, sections "Hosted Sparse Extents" and
 * "Stream-Optimized Compressed Sparse Extents".
 */
record VmdkHeader(
        int flags,
        long capacitySectors,
        long grainSectors,
        int tableEntries,
        long directorySector,
        long overheadSectors,
        int compression) {
    static final int BYTES = 512;
    static final int MAGIC = 0x564D444B;
    static final int COMPRESSED = 0x10000;
    static final int MARKERS = 0x20000;
    static final int DEFLATE = 1;

    /** The directory is not at the start. */
    static final long AT_END = -1;

    /** Grains larger than this are in no image: 64 KiB are usual. */
    private static final long LARGEST_GRAIN_SECTORS = 2048;

    private static final long LARGEST_SECTORS = 1L << 53;

    static VmdkHeader parse(byte[] sector) {
        ByteBuffer in = ByteBuffer.wrap(sector).order(ByteOrder.LITTLE_ENDIAN);
        if (in.getInt(0) != MAGIC) {
            throw StreamInput.bad(
                    startsLikeText(sector)
                            ? "the stream is the description of a VMDK whose data is in other"
                                    + " files; convert it with qemu-img convert -O vmdk -o"
                                    + " subformat=streamOptimized"
                            : "the stream is no VMDK: it does not begin with 'KDMV'");
        }
        int version = in.getInt(4);
        if (version < 1 || version > 3) {
            throw StreamInput.bad("the header at byte 0 of the stream is of version " + version);
        }
        VmdkHeader header =
                new VmdkHeader(
                        in.getInt(8),
                        in.getLong(12),
                        in.getLong(20),
                        in.getInt(44),
                        in.getLong(56),
                        in.getLong(64),
                        in.getShort(77));
        header.check();
        return header;
    }

    private static boolean startsLikeText(byte[] sector) {
        return new String(sector, 0, 21, java.nio.charset.StandardCharsets.US_ASCII)
                .equals("# Disk DescriptorFile");
    }

    private void check() {
        int wanted = COMPRESSED | MARKERS;
        if ((flags & wanted) != wanted || compression != DEFLATE) {
            throw StreamInput.bad(
                    "the VMDK is not stream-optimised, so it cannot be read as a stream; convert it"
                            + " with qemu-img convert -O vmdk -o subformat=streamOptimized");
        }
        if (Long.bitCount(grainSectors) != 1
                || grainSectors < 1
                || grainSectors > LARGEST_GRAIN_SECTORS) {
            throw StreamInput.bad(
                    "the header at byte 0 of the stream gives grains of %s sectors"
                            .formatted(Long.toUnsignedString(grainSectors)));
        }
        if (capacitySectors <= 0 || capacitySectors > LARGEST_SECTORS) {
            throw StreamInput.bad(
                    "the header at byte 0 of the stream gives a disk of %s sectors"
                            .formatted(Long.toUnsignedString(capacitySectors)));
        }
        if (overheadSectors < 1 || overheadSectors > Integer.MAX_VALUE) {
            throw StreamInput.bad(
                    "the header at byte 0 of the stream has the grains begin at sector "
                            + Long.toUnsignedString(overheadSectors));
        }
    }

    long sizeBytes() {
        return capacitySectors * 512;
    }

    int grainBytes() {
        return (int) (grainSectors * 512);
    }
}
