// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * One metadata area of a physical volume, and what its header said when it was last read or
 * written.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class MetadataArea {
    /** A text is not larger than this, wherever it is said to be. */
    static final long MAXIMUM_TEXT_BYTES = 64 << 20;

    private static final int MAXIMUM_ATTEMPTS = 16;

    private final BlockMedium medium;
    private final Label.Area area;
    private MetadataHeader header;

    MetadataArea(BlockMedium medium, Label.Area area) {
        this.medium = medium;
        this.area = area;
        if (area.size() < 4 * MetadataHeader.BYTES
                || area.offset() > medium.sizeBytes() - area.size()) {
            throw ErrorCode.PVS_FAILED.because(
                    "the LVM label of %s names a metadata area of %d bytes at %d; the device has %d"
                            .formatted(
                                    medium.name(), area.size(), area.offset(), medium.sizeBytes()));
        }
    }

    /** Where it is, for messages. */
    String name() {
        return medium.name();
    }

    /** Where the valid text is, by the header that was read last. */
    Optional<MetadataHeader.Location> text() {
        return header == null ? Optional.empty() : header.text();
    }

    /** Whether lvm2 was told not to use it, by the header that was read last. */
    boolean isIgnored() {
        return header != null && header.isIgnored();
    }

    /** The header is forgotten when it is damaged. */
    private void readHeader() {
        header = null;
        header = headerNow();
    }

    /**
     * Whether the header on the device is the one that was read or written last; or is damaged, as
     * it was then.
     */
    boolean isUnchanged() {
        MetadataHeader now;
        try {
            now = headerNow();
        } catch (StorageException failed) {
            if (failed.code() != ErrorCode.SR_METADATA || header != null) {
                throw failed;
            }
            return true;
        }
        return header != null && header.locations().equals(now.locations());
    }

    /**
     * Reads the header, and the text that it names.
     *
     * @return empty when it names none, or is not to be used
     * @throws StorageException SR_METADATA when header or text are damaged
     */
    Optional<byte[]> read() {
        for (int attempt = 1; ; attempt++) {
            readHeader();
            Optional<MetadataHeader.Location> location = text();
            if (location.isEmpty() || isIgnored()) {
                return Optional.empty();
            }
            try {
                return Optional.of(readText(location.get()));
            } catch (StorageException failed) {
                // Another host may have written two texts since the header was read.
                if (attempt == MAXIMUM_ATTEMPTS || isUnchanged()) {
                    throw failed;
                }
            }
        }
    }

    private MetadataHeader headerNow() {
        byte[] bytes = medium.read(area.offset(), MetadataHeader.BYTES);
        return MetadataHeader.parse(bytes, area, medium.name());
    }

    /**
     * Reads the valid text.
     *
     * @throws StorageException SR_METADATA when it is not what the header says
     */
    private byte[] readText(MetadataHeader.Location location) {
        if (location.size() > MAXIMUM_TEXT_BYTES) {
            throw damaged("is said to have %d bytes".formatted(location.size()));
        }
        int size = (int) location.size();
        int first = (int) Math.min(size, area.size() - location.offset());
        byte[] text = medium.read(area.offset() + location.offset(), first);
        if (first < size) {
            text = Arrays.copyOf(text, size);
            byte[] rest = medium.read(area.offset() + MetadataHeader.BYTES, size - first);
            System.arraycopy(rest, 0, text, first, rest.length);
        }
        if (LvmChecksum.of(text) != location.checksum()) {
            throw damaged("has a wrong checksum");
        }
        return text;
    }

    private StorageException damaged(String what) {
        return ErrorCode.SR_METADATA.because(
                "the metadata text in the LVM metadata area at byte %d of %s %s"
                        .formatted(area.offset(), medium.name(), what));
    }

    /** Finds a place for a text; nothing is written. */
    TextPlace place(int length) {
        return TextPlace.of(area, text(), length, medium.blockBytes(), medium.name());
    }

    /** Writes a text to a place that the present one does not have. */
    void writeText(TextPlace place, byte[] text) {
        write(place.offset(), text, 0, place.first());
        if (place.first() < text.length) {
            write(MetadataHeader.BYTES, text, place.first(), text.length);
        }
    }

    /** Fills the last block with zeros, so that it need not be read first. */
    private void write(long offset, byte[] text, int from, int to) {
        long end = area.offset() + offset + to - from;
        int block = medium.blockBytes();
        long filled = Math.min((end + block - 1) / block * block, area.offset() + area.size());
        byte[] piece = Arrays.copyOfRange(text, from, to + (int) (filled - end));
        medium.write(area.offset() + offset, piece);
    }

    /** Writes the header that makes a text valid. */
    void writeHeader(TextPlace place, byte[] text) {
        MetadataHeader next =
                new MetadataHeader(area.offset(), area.size(), List.of(location(place, text)));
        medium.write(area.offset(), next.encode());
        header = next;
    }

    private static MetadataHeader.Location location(TextPlace place, byte[] text) {
        return new MetadataHeader.Location(place.offset(), text.length, LvmChecksum.of(text), 0);
    }

    /** Writes a header that names no text. */
    void clear() {
        header = new MetadataHeader(area.offset(), area.size(), List.of());
        medium.write(area.offset(), header.encode());
    }

    /** Has the device be no metadata area any more. */
    void wipe() {
        medium.write(area.offset(), new byte[MetadataHeader.BYTES]);
        header = null;
    }

    void flush() {
        medium.flush();
    }
}
