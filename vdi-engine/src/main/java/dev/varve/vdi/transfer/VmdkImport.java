// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * A stream-optimised VMDK: a {@linkplain VmdkHeader header}, and then grains and tables one after
 * the other, each at the start of a sector and with a marker in front. A grain's marker says where
 * it belongs, so the tables are passed over.
 *
 * <table>
 * <caption>marker, little-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>of a grain: its first sector on the disk; of a table: how many sectors
 * it has</td></tr>
 * <tr><td>8</td><td>4</td><td>of a grain: how many bytes of compressed data follow at once; of a
 * table: 0</td></tr>
 * <tr><td>12</td><td>4</td><td>of a table, which begins in the next sector: 0 end of the stream, 1
 * grain table, 2 grain directory, 3 footer</td></tr>
 * </table>
 *
 * <p>Programs that put the tables before the grains write no end of the stream. Then the entries of
 * the tables are counted, and so many grains have to come.
 */
final class VmdkImport extends StreamImport {
    private static final int SECTOR = 512;
    private static final int END = 0;
    private static final int FOOTER = 3;

    /** Compressed data can be a little longer than what it stands for. */
    private static final int SLACK_BYTES = 4096;

    /** Entries of tables above this name a grain; 0 is absent and 1 zero. */
    private static final long ZERO_GRAIN = 1;

    private long expectedGrains = -1;
    private long grains;

    VmdkImport(StreamInput input) {
        super(input, false);
    }

    @Override
    void copy(StreamInput stream, DiskWriter writer, DiskIo disk) {
        VmdkHeader header = VmdkHeader.parse(stream.bytes(SECTOR, "the header"));
        requireRoom(disk, header.sizeBytes());
        passOverTables(stream, header);
        Inflater inflater = new Inflater();
        try {
            while (copyNext(stream, header, writer, inflater)) {
                stream.progress(disk.sizeBytes());
            }
        } finally {
            inflater.end();
        }
        stream.drain();
    }

    /** Goes to the first grain, and counts those that tables on the way name. */
    private void passOverTables(StreamInput stream, VmdkHeader header) {
        long end = header.overheadSectors() * SECTOR;
        long directory = header.directorySector();
        if (directory == VmdkHeader.AT_END) {
            stream.skipTo(end, "what lies before the grains");
            return;
        }
        long tables = tables(header);
        long first = directory * SECTOR + (4 * tables + SECTOR - 1) / SECTOR * SECTOR;
        if (directory < 1 || first > end) {
            throw StreamInput.bad(
                    "the header at byte 0 of the stream puts the grain directory at sector "
                            + Long.toUnsignedString(directory));
        }
        stream.skipTo(first, "what lies before the grain tables");
        long tableBytes = (4L * header.tableEntries() + SECTOR - 1) / SECTOR * SECTOR;
        expectedGrains = countGrains(stream, Math.min(end, first + tables * tableBytes));
        stream.skipTo(end, "what lies before the grains");
    }

    private static long countGrains(StreamInput stream, long end) {
        long count = 0;
        ByteBuffer sector = ByteBuffer.allocate(SECTOR).order(ByteOrder.LITTLE_ENDIAN);
        while (stream.position() < end) {
            stream.fill(sector.clear(), "the grain tables");
            for (int i = 0; i < SECTOR; i += 4) {
                long entry = Integer.toUnsignedLong(sector.getInt(i));
                count += entry > ZERO_GRAIN ? 1 : 0;
            }
        }
        return count;
    }

    private static long tables(VmdkHeader header) {
        long perTable = header.tableEntries() * header.grainSectors();
        if (header.tableEntries() < 1 || header.tableEntries() > 1 << 16) {
            throw StreamInput.bad(
                    "the header at byte 0 of the stream gives grain tables of %s entries"
                            .formatted(Integer.toUnsignedString(header.tableEntries())));
        }
        return (header.capacitySectors() + perTable - 1) / perTable;
    }

    /** Reads one marker and what belongs to it; false at the end. */
    private boolean copyNext(
            StreamInput stream, VmdkHeader header, DiskWriter writer, Inflater inflater) {
        long at = stream.position();
        ByteBuffer marker = ByteBuffer.allocate(SECTOR).order(ByteOrder.LITTLE_ENDIAN);
        int count = stream.read(marker);
        if (count == 0) {
            requireAllGrains(at);
            return false;
        }
        if (count < SECTOR) {
            throw StreamInput.bad(
                    "the stream ends at byte %d, inside the marker at byte %d"
                            .formatted(at + count, at));
        }
        long value = marker.getLong(0);
        int size = marker.getInt(8);
        if (size != 0) {
            copyGrain(stream, header, writer, inflater, marker, at);
            return true;
        }
        return passOver(stream, marker.getInt(12), value, at);
    }

    private void requireAllGrains(long at) {
        if (grains != expectedGrains) {
            throw StreamInput.bad(
                    "the stream ends at byte %d after %d grains, %s"
                            .formatted(
                                    at,
                                    grains,
                                    expectedGrains < 0
                                            ? "without the mark of its end"
                                            : "its tables name " + expectedGrains));
        }
    }

    private static boolean passOver(StreamInput stream, int type, long sectors, long at) {
        if (type == END) {
            return false;
        }
        if (type < 0 || type > FOOTER || sectors < 0 || sectors > Integer.MAX_VALUE) {
            throw StreamInput.bad(
                    "the marker at byte %d of the stream is of the unknown kind %d, or for %s sectors"
                            .formatted(at, type, Long.toUnsignedString(sectors)));
        }
        stream.skipTo(stream.position() + sectors * SECTOR, "the table that begins at byte " + at);
        return true;
    }

    private void copyGrain(
            StreamInput stream,
            VmdkHeader header,
            DiskWriter writer,
            Inflater inflater,
            ByteBuffer marker,
            long at) {
        long sector = marker.getLong(0);
        int size = marker.getInt(8);
        if (sector < 0
                || sector >= header.capacitySectors()
                || sector % header.grainSectors() != 0) {
            throw StreamInput.bad(
                    "the grain at byte %d of the stream belongs to the impossible sector %s"
                            .formatted(at, Long.toUnsignedString(sector)));
        }
        if (size < 0 || size > header.grainBytes() + SLACK_BYTES) {
            throw StreamInput.bad(
                    "the grain at byte %d of the stream has %s bytes of compressed data"
                            .formatted(at, Integer.toUnsignedString(size)));
        }
        byte[] packed = packed(stream, marker, size);
        int wanted = (int) Math.min(header.grainBytes(), header.sizeBytes() - sector * SECTOR);
        ByteBuffer buffer = writer.buffer();
        inflate(inflater, packed, size, buffer.limit(header.grainBytes()), wanted, at);
        writer.write(sector * SECTOR, wanted);
        grains++;
    }

    /**
     * The compressed data, which begins in the marker's sector and is filled up to whole sectors.
     */
    private static byte[] packed(StreamInput stream, ByteBuffer marker, int size) {
        byte[] packed = new byte[(12 + size + SECTOR - 1) / SECTOR * SECTOR - 12];
        marker.get(12, packed, 0, SECTOR - 12);
        ByteBuffer rest = ByteBuffer.wrap(packed);
        rest.position(SECTOR - 12);
        stream.fill(rest, "a grain");
        return packed;
    }

    private static void inflate(
            Inflater inflater, byte[] packed, int size, ByteBuffer target, int wanted, long at) {
        inflater.reset();
        inflater.setInput(packed, 0, size);
        int count = 0;
        String problem;
        try {
            int step;
            do {
                step = inflater.inflate(target);
                count += step;
            } while (step > 0 && target.hasRemaining());
            problem = count >= wanted ? null : "stands for " + count + " bytes, not " + wanted;
        } catch (DataFormatException e) {
            problem = "cannot be inflated: " + e.getMessage();
        }
        if (problem != null) {
            throw StreamInput.bad(
                    "the compressed data of the grain at byte %d of the stream %s"
                            .formatted(at, problem));
        }
    }
}
