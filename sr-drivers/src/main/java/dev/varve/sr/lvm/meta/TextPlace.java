// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.util.Optional;

/**
 * Where a text goes in the circular buffer of a metadata area: behind the present one, which stays
 * as it is, and from offset 512 on again where the area ends.
 *
 * <p>A text begins at the start of a block of the device, so that a block that is torn by a crash
 * belongs to one text only.
 *
 * @param offset where the text begins, in bytes from the start of the area
 * @param first how many bytes of it lie there; the others lie at offset 512
 */
record TextPlace(long offset, int first) {
    /**
     * The place for a text.
     *
     * @param area the area
     * @param present the valid text, if there is one
     * @param length how long the new text is, in bytes
     * @param blockBytes the logical block of the device, in bytes
     * @throws dev.varve.vdi.StorageException SR_NO_SPACE when the area is too small for two such
     *     texts, which is also the limit of {@code lvm2}
     */
    static TextPlace of(
            Label.Area area,
            Optional<MetadataHeader.Location> present,
            int length,
            int blockBytes,
            String where) {
        long room = area.size() - MetadataHeader.BYTES;
        if (length > room / 2 - MetadataHeader.BYTES) {
            throw full(area, length, where);
        }
        long used = present.map(MetadataHeader.Location::size).orElse(0L);
        long start = present.map(location -> behind(area, location)).orElse(area.size());
        long offset = align(area, start, blockBytes);
        long skipped = offset - start;
        if (offset >= area.size()) {
            skipped = Math.max(0, area.size() - start);
            offset = MetadataHeader.BYTES;
        }
        // Both ends of the text may be filled up to the end of a block.
        long needed = padded(length, blockBytes) + blockBytes;
        if (present.isPresent() && used + skipped + needed > room) {
            throw full(area, length, where);
        }
        return new TextPlace(offset, (int) Math.min(length, area.size() - offset));
    }

    /** The end of a text within the buffer. */
    private static long behind(Label.Area area, MetadataHeader.Location text) {
        long end = text.offset() + text.size();
        return end > area.size() ? end - area.size() + MetadataHeader.BYTES : end;
    }

    private static long align(Label.Area area, long offset, int blockBytes) {
        long place = area.offset() + offset;
        return (place + blockBytes - 1) / blockBytes * blockBytes - area.offset();
    }

    private static long padded(int length, int blockBytes) {
        return (long) (length + blockBytes - 1) / blockBytes * blockBytes;
    }

    private static RuntimeException full(Label.Area area, int length, String where) {
        return ErrorCode.SR_NO_SPACE.because(
                ("the metadata of the volume group would be %d bytes, and the metadata area at byte"
                                + " %d of %s has %d, which must hold it twice; remove volumes")
                        .formatted(length, area.offset(), where, area.size()));
    }
}
