// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.image.BlockAccess;

import java.util.Arrays;

/**
 * A log of changed blocks that nobody tracks with now: its header and its bitmap.
 *
 * <p><b>Write order</b> of a change: the bitmap, a flush, the header, a flush. So a header never
 * speaks of bits that are not there, and one that is old leaves bits that only say too much.
 *
 * <p><b>Threads:</b> control threads.
 *
 * @param blocks everything, when the log is not to be trusted
 */
record ChangeLog(ChangeLogHeader header, ChangedBlocks blocks) {
    /** What is written at once; volumes are as large as a multiple of it. */
    static final int PAGE_BYTES = 4096;

    private static final int STEP_BYTES = 1 << 20;

    /** How large the volume of a log is for a disk of this size. */
    static long volumeBytes(long sizeBytes) {
        long bytes = ChangeLogHeader.BYTES + ChangedBlocks.bitmapBytes(sizeBytes);
        return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    }

    /** A log in which nothing has changed. */
    static ChangeLog empty(ChangeLogHeader header) {
        return new ChangeLog(header, new ChangedBlocks(header.sizeBytes()));
    }

    static ChangeLogHeader readHeader(BlockAccess access) {
        if (access.sizeBytes() < 512) {
            throw ErrorCode.VDI_LOAD.because("a log of changed blocks has no header");
        }
        return ChangeLogHeader.parse(access.read(0, 512));
    }

    /**
     * Reads a log whose volume has its whole size.
     *
     * @throws dev.varve.vdi.StorageException VDI_LOAD when it is damaged
     */
    static ChangeLog read(BlockAccess access) {
        ChangeLogHeader header = readHeader(access);
        long volume = volumeBytes(header.sizeBytes());
        if (access.sizeBytes() < volume) {
            throw ErrorCode.VDI_LOAD.because(
                    "a log of changed blocks has %d bytes and not the %d that a disk of %d bytes needs"
                            .formatted(access.sizeBytes(), volume, header.sizeBytes()));
        }
        byte[] all = new byte[Math.toIntExact(volume)];
        for (int at = 0; at < all.length; at += STEP_BYTES) {
            byte[] part = access.read(at, Math.min(STEP_BYTES, all.length - at));
            System.arraycopy(part, 0, all, at, part.length);
        }
        byte[] bitmap = Arrays.copyOfRange(all, ChangeLogHeader.BYTES, all.length);
        ChangedBlocks blocks = ChangedBlocks.ofLogBytes(header.sizeBytes(), bitmap);
        if (!header.isTrusted()) {
            blocks.addFrom(0);
        }
        return new ChangeLog(header, blocks);
    }

    /** The page of a log as it is on storage. */
    private byte[] page(int index, byte[] bitmap, byte[] start) {
        byte[] page = new byte[PAGE_BYTES];
        int from = index * PAGE_BYTES - ChangeLogHeader.BYTES;
        int skipped = Math.max(0, -from);
        int count = Math.min(PAGE_BYTES - skipped, bitmap.length - (from + skipped));
        System.arraycopy(bitmap, from + skipped, page, skipped, Math.max(0, count));
        System.arraycopy(start, 0, page, 0, skipped);
        return page;
    }

    /**
     * Writes the whole log, holes included, so that there is room for every bit later.
     *
     * @param before the header until the bits are durable
     */
    void write(BlockAccess access, ChangeLogHeader before) {
        byte[] bitmap = blocks.toLogBytes();
        int pages = Math.toIntExact(volumeBytes(header.sizeBytes()) / PAGE_BYTES);
        access.grow((long) pages * PAGE_BYTES);
        for (int i = pages - 1; i >= 0; i--) {
            access.write((long) i * PAGE_BYTES, page(i, bitmap, before.encode()));
        }
        access.flush();
        if (!before.equals(header)) {
            writeHeader(access);
        }
    }

    /** Writes the header, which is within one sector, and makes it durable. */
    void writeHeader(BlockAccess access) {
        byte[] sector = access.read(0, 512);
        System.arraycopy(header.encode(), 0, sector, 0, ChangeLogHeader.BYTES);
        access.write(0, sector);
        access.flush();
    }

    ChangeLog with(ChangeLogHeader newHeader) {
        return new ChangeLog(newHeader, blocks);
    }
}
