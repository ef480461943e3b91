// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.CommitGuard;
import dev.varve.vdi.image.CommitListener;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes the metadata of an open image durable: (1) the device is flushed, with all data and new
 * bitmaps in it; (2) the bitmaps and sectors of the table that changed before (1) are written, from
 * a copy; (3) the device is flushed again.
 *
 * <p>One commit at a time; what is asked for while one is running is served together by the next.
 *
 * <p>A failure stays, with one exception: when there was no room for what was to be written in (2),
 * it is still in memory, and the data before it is safe. The next commit writes it again.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class VhdCommit {
    private static final int SECTOR = 512;
    private static final int COPY_BYTES = 1 << 20;

    private final LayerIo io;
    private final BlockTable table;
    private final BlockBitmaps bitmaps;
    private final VhdSpace space;
    private final int bitmapSectors;
    private final CommitListener guarded = this::guarded;
    private final BlockCompletion dataFlushed = this::dataFlushed;
    private final BlockCompletion metadataWritten = this::metadataWritten;
    private final BlockCompletion metadataFlushed = this::metadataFlushed;
    private final List<BlockBitmap> writingBitmaps = new ArrayList<>();
    private final List<TablePage> writingPages = new ArrayList<>();
    private List<CommitListener> current = new ArrayList<>();
    private List<CommitListener> following = new ArrayList<>();
    private IoStatus failure = IoStatus.OK;
    private boolean full;
    private final List<MemorySegment> copies = new ArrayList<>();
    private MemorySegment[] sources = new MemorySegment[64];
    private long[] positions = new long[64];
    private long[] offsets = new long[64];
    private int[] lengths = new int[64];
    private int writes;
    private long copyAt;
    private long expectedBytes;
    private int pending;
    private boolean running;

    VhdCommit(
            LayerIo io, BlockTable table, BlockBitmaps bitmaps, VhdSpace space, int bitmapSectors) {
        this.io = io;
        this.table = table;
        this.bitmaps = bitmaps;
        this.space = space;
        this.bitmapSectors = bitmapSectors;
    }

    /**
     * The first failure, which stays: nobody knows what is on the device until it is read again.
     */
    IoStatus failure() {
        return failure;
    }

    /** A failure to flush is one whatever its reason: what was lost is not tried again. */
    void fail(IoStatus status) {
        if (failure == IoStatus.OK) {
            failure = status == IoStatus.NO_SPACE ? IoStatus.IO_ERROR : status;
        }
    }

    boolean isRunning() {
        return running;
    }

    boolean isIdle() {
        return !running && failure == IoStatus.OK;
    }

    void request(CommitListener listener) {
        following.add(listener);
        if (!running) {
            begin();
        }
    }

    private void begin() {
        List<CommitListener> swap = current;
        current = following;
        following = swap;
        running = true;
        if (failure != IoStatus.OK) {
            end(failure);
            return;
        }
        copyAll();
        CommitGuard guard = io.host().guard();
        if (guard == null) {
            io.flush(dataFlushed);
        } else {
            guard.beforeCommit(guarded);
        }
    }

    private void guarded(IoStatus status) {
        if (status == IoStatus.OK) {
            io.flush(dataFlushed);
        } else {
            end(status);
        }
    }

    /**
     * Copies what is dirty now: bits that are set after this belong to data not flushed yet. The
     * copy is in pieces, since there is no bound on how much a busy disk changes during the flush
     * before.
     */
    private void copyAll() {
        writes = 0;
        List<BlockBitmap> dirtyBitmaps = bitmaps.dirty();
        List<TablePage> dirtyPages = table.dirtyPages();
        expectedBytes =
                dirtyBitmaps.size() * (long) (bitmapSectors + VhdTable.PAGE_SECTORS) * SECTOR
                        + dirtyPages.size() * (long) TablePage.BYTES;
        for (int i = 0; i < dirtyBitmaps.size(); i++) {
            copyBitmap(dirtyBitmaps.get(i));
        }
        dirtyBitmaps.clear();
        for (int i = 0; i < dirtyPages.size(); i++) {
            copyPage(dirtyPages.get(i));
        }
        dirtyPages.clear();
        space.commitBegins();
    }

    private void copyBitmap(BlockBitmap bitmap) {
        long start = space.bitmapStart(bitmap.place);
        int length = (int) ((bitmap.place + bitmapSectors) * SECTOR - start);
        int padding = length - bitmap.bits.length;
        MemorySegment copy = add(start, length);
        copy.asSlice(copyAt, padding).fill((byte) 0);
        MemorySegment.copy(
                bitmap.bits, 0, copy, ValueLayout.JAVA_BYTE, copyAt + padding, bitmap.bits.length);
        copyAt += length;
        bitmap.dirty = false;
        bitmap.committing = true;
        writingBitmaps.add(bitmap);
    }

    private void copyPage(TablePage page) {
        for (int rest = page.dirtySectors; rest != 0; rest &= rest - 1) {
            int sector = Integer.numberOfTrailingZeros(rest);
            int first = sector * TablePage.ENTRIES_PER_SECTOR;
            MemorySegment copy = add(table.sectorOffset(page, sector), SECTOR);
            for (int i = 0; i < TablePage.ENTRIES_PER_SECTOR; i++) {
                copy.set(BlockTable.BIG_ENDIAN_INT, copyAt + 4L * i, page.entries[first + i]);
            }
            copyAt += SECTOR;
        }
        page.committingSectors = page.dirtySectors;
        page.dirtySectors = 0;
        page.committing = true;
        writingPages.add(page);
    }

    /** A write of so many bytes to the given place; its data goes to {@link #copyAt}. */
    private MemorySegment add(long offset, int length) {
        if (writes == offsets.length) {
            sources = Arrays.copyOf(sources, 2 * writes);
            positions = Arrays.copyOf(positions, 2 * writes);
            offsets = Arrays.copyOf(offsets, 2 * writes);
            lengths = Arrays.copyOf(lengths, 2 * writes);
        }
        if (copies.isEmpty() || copyAt + length > copies.getLast().byteSize()) {
            long bytes = Math.max(length, Math.min(COPY_BYTES, expectedBytes));
            copies.add(io.host().context().buffers().acquireNow((int) bytes));
            copyAt = BufferPool.HEADROOM_BYTES;
        }
        sources[writes] = copies.getLast();
        positions[writes] = copyAt;
        offsets[writes] = offset;
        lengths[writes] = length;
        writes++;
        expectedBytes -= length;
        return copies.getLast();
    }

    private void dataFlushed(BlockRequest flush) {
        IoStatus status = flush.status;
        io.giveBack(flush);
        if (status != IoStatus.OK || writes == 0) {
            end(status);
            return;
        }
        pending = writes;
        full = false;
        int count = writes;
        for (int i = 0; i < count; i++) {
            BlockRequest write = io.host().context().acquire();
            write.set(BlockOp.WRITE, 0, offsets[i], lengths[i]);
            write.data(sources[i], positions[i]);
            write.push(metadataWritten);
            io.host().device().submit(write);
        }
    }

    private void metadataWritten(BlockRequest write) {
        if (write.status == IoStatus.NO_SPACE) {
            full = true;
        } else if (write.status != IoStatus.OK) {
            fail(write.status);
        }
        io.host().context().release(write);
        if (--pending > 0) {
            return;
        }
        if (failure == IoStatus.OK && !full) {
            io.flush(metadataFlushed);
        } else {
            finish(failure == IoStatus.OK ? IoStatus.NO_SPACE : failure);
        }
    }

    private void metadataFlushed(BlockRequest flush) {
        IoStatus status = flush.status;
        io.giveBack(flush);
        end(status);
    }

    private void end(IoStatus status) {
        if (status != IoStatus.OK) {
            fail(status);
        }
        finish(failure);
    }

    private void finish(IoStatus status) {
        for (int i = 0; i < copies.size(); i++) {
            io.host().context().buffers().release(copies.get(i));
        }
        copies.clear();
        for (int i = 0; i < writingBitmaps.size(); i++) {
            finishBitmap(writingBitmaps.get(i), status);
        }
        writingBitmaps.clear();
        for (int i = 0; i < writingPages.size(); i++) {
            finishPage(writingPages.get(i), status);
        }
        writingPages.clear();
        space.commitEnded(status == IoStatus.OK, failure == IoStatus.OK);
        running = false;
        List<CommitListener> done = current;
        current = new ArrayList<>();
        done.forEach(listener -> listener.committed(status));
        if (!running && !following.isEmpty()) {
            begin();
        }
    }

    /** As for bitmaps; those of its sectors that made it are written once more. */
    private void finishPage(TablePage page, IoStatus status) {
        page.committing = false;
        if (status != IoStatus.OK) {
            if (page.dirtySectors == 0) {
                table.dirtyPages().add(page);
            }
            page.dirtySectors |= page.committingSectors;
        }
        page.committingSectors = 0;
    }

    /** Bits that did not reach the device stay in memory: reads still have to find the data. */
    private void finishBitmap(BlockBitmap bitmap, IoStatus status) {
        bitmap.committing = false;
        if (status != IoStatus.OK && !bitmap.dirty) {
            bitmap.dirty = true;
            bitmaps.dirty().add(bitmap);
        }
    }
}
