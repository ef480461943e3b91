// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.Mapping;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A dynamic VHD without parent, on a lane.
 *
 * <p><b>Invariants:</b> a sector of an allocated block whose bit is clear reads as zero; it also is
 * zero on the device, unless a crash kept data there of a write that was never acknowledged as
 * safe. A bit of the batmap is set only when all bits of the block are. A block that is named in
 * the table in memory has its place on the device, with its bitmap written as zeros.
 *
 * <p><b>Durability and write order.</b> Allocating a block: (a) the volume is grown if need be, (b)
 * what is not known to be zero in the new place is made zero, (c) the new bitmap is written as
 * zeros, which also makes sure that there is room for it; only then data may be written. A commit:
 * (1) the device is flushed, with all data and new bitmaps in it; (2) the bitmaps and sectors of
 * the table that changed before (1) are written, from a copy; (3) the device is flushed again.
 *
 * <table>
 * <caption>What a crash leaves</caption>
 * <tr><th>after</th><th>on the device</th></tr>
 * <tr><td>(a), (b), (c), data</td><td>space behind the last block that nothing names; the footer at
 * the end is gone, so the image is <i>unclean</i> and the space is cut off when it is opened</td></tr>
 * <tr><td>a part of (2)</td><td>a block is named: its data is there since (1), and bits that did not
 * make it leave zeros or the data of before, neither acknowledged. A bit is set: its data is there
 * since (1)</td></tr>
 * <tr><td>(3)</td><td>everything that was written before the commit</td></tr>
 * </table>
 *
 * Nothing here needs a write of more than one sector to be atomic: entries of the table and bitmaps
 * stand for themselves, and sectors that are written along keep their content. The batmap and the
 * footer at the end are written by {@link #seal} only; until then the batmap on the device tells
 * what was true when the image was opened, and blocks never become less full.
 */
final class VhdLayer implements ImageLayer {
    private static final int SECTOR = 512;
    private static final int PAGE_SECTORS = 8;

    /** Entries of the table have 32 bits, and the last value means that there is no block. */
    private static final long LAST_SECTOR = 0xFFFF_FFFFL;

    private static final int ENTRIES_PER_SECTOR = SECTOR / 4;
    private static final int CACHED_BITMAPS = 4096;
    private static final int MOST_DIRTY_BITMAPS = 1024;
    private static final int COPY_BYTES = 1 << 20;

    private final VhdHeader header;
    private final Batmap batmap;
    private final int blockSectors;
    private final int bitmapSectors;
    private final long metadataEnd;
    private final boolean aligned;
    private final BlockCompletion bitmapRead = this::bitmapRead;
    private final BlockCompletion placeZeroed = this::placeZeroed;
    private final BlockCompletion bitmapZeroed = this::bitmapZeroed;

    private final List<BlockBitmap> cached = new ArrayList<>();
    private final List<Allocation> allocations = new ArrayList<>();
    private final List<BlockBitmap> dirtyBitmaps = new ArrayList<>();
    private final Commit commit = new Commit();

    private VhdFooter footer;
    private int[] bat;
    private byte[] full;
    private BlockBitmap[] bitmaps;
    private long[] dirtyTable;
    private int dirtyTableSectors;
    private int clockHand;

    /** The first sector behind everything that is in use or was given out. */
    private long nextFree;

    /** From here on the volume is known to read as zero, in bytes. */
    private final long zeroFrom;

    private boolean endInOrder;
    private boolean batmapChanged;
    private boolean growing;
    private LayerHost host;

    /**
     * Inside {@link #lookup} or {@link #prepare}. A device may complete a request while it is being
     * submitted; who asks has to get the answer before the request is resumed because of it.
     */
    private boolean asked;

    /** A block that is getting its place. */
    private static final class Allocation {
        final int block;
        long sector = -1;
        BlockRequest waitingFirst;

        Allocation(int block) {
            this.block = block;
        }
    }

    /**
     * @param volumeBytes the size of the volume when the image was read
     */
    VhdLayer(VhdImage image, long volumeBytes) {
        footer = image.footer();
        header = image.header();
        batmap = image.batmap();
        bat = image.bat();
        full = image.full();
        bitmaps = new BlockBitmap[bat.length];
        dirtyTable = new long[tableWords(bat.length)];
        blockSectors = header.blockBytes() / SECTOR;
        bitmapSectors = header.bitmapBytes() / SECTOR;
        metadataEnd = image.metadataEnd();
        nextFree = image.dataEnd() / SECTOR;
        zeroFrom = volumeBytes;
        endInOrder = image.clean() && image.firstInOrder();
        aligned = isAligned(bat);
    }

    private static int tableWords(int entries) {
        return (entries / ENTRIES_PER_SECTOR) / Long.SIZE + 1;
    }

    /** Whether the page before each block's data belongs to that block's bitmap alone. */
    private boolean isAligned(int[] table) {
        for (int entry : table) {
            if (entry != VhdImage.UNUSED
                    && (Integer.toUnsignedLong(entry) + bitmapSectors) % PAGE_SECTORS != 0) {
                return false;
            }
        }
        return header.blockBytes() % (PAGE_SECTORS * SECTOR) == 0 && bitmapSectors <= PAGE_SECTORS;
    }

    @Override
    public long sizeBytes() {
        return footer.currentSize();
    }

    @Override
    public void bind(LayerHost newHost) {
        host = newHost;
    }

    // ---- where data is

    @Override
    public void lookup(BlockRequest request, long offset, long length, Mapping answer) {
        int block = (int) (offset / header.blockBytes());
        long within = offset % header.blockBytes();
        long count = Math.min(length, header.blockBytes() - within);
        if (bat[block] == VhdImage.UNUSED) {
            answer.zero(count);
            return;
        }
        long data = dataOffset(block) + within;
        if (isFull(block)) {
            answer.data(data, count);
            return;
        }
        BlockBitmap bitmap = bitmap(block);
        if (bitmap.loading) {
            await(request, bitmap, answer);
            return;
        }
        int from = (int) (within / SECTOR);
        int sectors = bitmap.run(from, from + (int) (count / SECTOR));
        if (bitmap.isSet(from)) {
            answer.data(data, (long) sectors * SECTOR);
        } else {
            answer.zero((long) sectors * SECTOR);
        }
    }

    private long dataOffset(int block) {
        return (Integer.toUnsignedLong(bat[block]) + bitmapSectors) * SECTOR;
    }

    private boolean isFull(int block) {
        return (full[block >> 3] & 0x80 >> (block & 7)) != 0;
    }

    private static void await(BlockRequest request, BlockBitmap bitmap, Mapping answer) {
        request.next = bitmap.waitingFirst;
        bitmap.waitingFirst = request;
        answer.await();
    }

    private BlockBitmap bitmap(int block) {
        BlockBitmap bitmap = bitmaps[block];
        if (bitmap == null) {
            bitmap = remember(block);
            asked = true;
            load(bitmap);
            asked = false;
        }
        bitmap.referenced = true;
        return bitmap;
    }

    private BlockBitmap remember(int block) {
        if (cached.size() >= CACHED_BITMAPS) {
            evictOne();
        }
        BlockBitmap bitmap = new BlockBitmap(block, blockSectors, header.bitmapBytes());
        bitmaps[block] = bitmap;
        cached.add(bitmap);
        return bitmap;
    }

    /** Drops a bitmap that was not used since the hand came by; none when all are needed. */
    private void evictOne() {
        for (int tries = 0; tries < 2 * cached.size(); tries++) {
            clockHand = (clockHand + 1) % cached.size();
            BlockBitmap candidate = cached.get(clockHand);
            if (candidate.isEvictable()) {
                if (!candidate.referenced) {
                    bitmaps[candidate.block] = null;
                    cached.set(clockHand, cached.getLast());
                    cached.removeLast();
                    return;
                }
                candidate.referenced = false;
            }
        }
    }

    private void load(BlockBitmap bitmap) {
        bitmap.loading = true;
        BlockRequest read = host.context().acquire();
        long at = Integer.toUnsignedLong(bat[bitmap.block]) * SECTOR;
        read.set(BlockOp.READ, 0, at, header.bitmapBytes());
        read.data(
                host.context().buffers().acquireNow(header.bitmapBytes()),
                BufferPool.HEADROOM_BYTES);
        read.owner = bitmap;
        read.push(bitmapRead);
        host.device().submit(read);
    }

    private void bitmapRead(BlockRequest read) {
        if (asked) {
            host.context().atEndOfTurn(() -> bitmapRead(read));
            return;
        }
        BlockBitmap bitmap = (BlockBitmap) read.owner;
        IoStatus status = read.status;
        if (status == IoStatus.OK) {
            MemorySegment.copy(
                    read.buffer,
                    ValueLayout.JAVA_BYTE,
                    read.bufferOffset,
                    bitmap.bits,
                    0,
                    bitmap.bits.length);
            bitmap.loaded();
        } else {
            bitmaps[bitmap.block] = null;
            cached.remove(bitmap);
        }
        giveBack(read);
        BlockRequest waiting = bitmap.waitingFirst;
        bitmap.waitingFirst = null;
        wakeAll(waiting, status);
    }

    private void wakeAll(BlockRequest first, IoStatus status) {
        BlockRequest waiting = first;
        while (waiting != null) {
            BlockRequest following = waiting.next;
            waiting.next = null;
            if (status == IoStatus.OK) {
                host.resume(waiting);
            } else {
                host.fail(waiting, status);
            }
            waiting = following;
        }
    }

    private void giveBack(BlockRequest request) {
        if (request.buffer != null) {
            host.context().buffers().release(request.buffer);
        }
        host.context().release(request);
    }

    // ---- where data may be written

    @Override
    public void prepare(BlockRequest request, long offset, long length, Mapping answer) {
        int block = (int) (offset / header.blockBytes());
        long within = offset % header.blockBytes();
        long count = Math.min(length, header.blockBytes() - within);
        if (commit.failure != IoStatus.OK && !isFull(block)) {
            answer.failed(commit.failure);
            return;
        }
        if (bat[block] == VhdImage.UNUSED) {
            allocate(block, request, answer);
            return;
        }
        if (!isFull(block)) {
            BlockBitmap bitmap = bitmap(block);
            if (bitmap.loading) {
                await(request, bitmap, answer);
                return;
            }
        }
        if (bitmaps[block] != null) {
            bitmaps[block].pins++;
        }
        answer.data(dataOffset(block) + within, count);
    }

    @Override
    public void written(long offset, long length) {
        int block = (int) (offset / header.blockBytes());
        BlockBitmap bitmap = bitmaps[block];
        if (bitmap == null) {
            return;
        }
        unpin(bitmap);
        int from = (int) (offset % header.blockBytes() / SECTOR);
        if (bitmap.set(from, from + (int) (length / SECTOR)) && !bitmap.dirty) {
            markDirty(bitmap);
        }
        if (bitmap.isFull() && !isFull(block)) {
            full[block >> 3] |= (byte) (0x80 >> (block & 7));
            batmapChanged = true;
        }
    }

    /** Dirty bitmaps cannot leave memory, so many of them do not wait for the next flush. */
    private void markDirty(BlockBitmap bitmap) {
        bitmap.dirty = true;
        dirtyBitmaps.add(bitmap);
        if (dirtyBitmaps.size() >= MOST_DIRTY_BITMAPS && commit.isIdle()) {
            commit.request(status -> {});
        }
    }

    @Override
    public void abandoned(long offset, long length) {
        BlockBitmap bitmap = bitmaps[(int) (offset / header.blockBytes())];
        if (bitmap != null) {
            unpin(bitmap);
        }
    }

    private static void unpin(BlockBitmap bitmap) {
        Invariant.check(bitmap.pins > 0, "a write that ends was prepared");
        bitmap.pins--;
    }

    @Override
    public boolean needsCommit(long offset, long length) {
        int last = (int) ((offset + length - 1) / header.blockBytes());
        boolean needed = commit.running || commit.failure != IoStatus.OK;
        for (int block = (int) (offset / header.blockBytes()); block <= last && !needed; block++) {
            BlockBitmap bitmap = bitmaps[block];
            needed = isTableDirty(block) || (bitmap != null && (bitmap.dirty || bitmap.committing));
        }
        return needed;
    }

    private boolean isTableDirty(int block) {
        int sector = block / ENTRIES_PER_SECTOR;
        return (dirtyTable[sector / Long.SIZE] & 1L << sector) != 0;
    }

    @Override
    public void failed(IoStatus status) {
        if (commit.failure == IoStatus.OK) {
            commit.failure = status;
        }
    }

    // ---- making room

    private void allocate(int block, BlockRequest request, Mapping answer) {
        Allocation allocation = null;
        for (Allocation other : allocations) {
            if (other.block == block) {
                allocation = other;
            }
        }
        boolean isNew = allocation == null;
        if (isNew) {
            allocation = new Allocation(block);
            allocations.add(allocation);
        }
        request.next = allocation.waitingFirst;
        allocation.waitingFirst = request;
        answer.await();
        if (isNew) {
            asked = true;
            place(allocation);
            asked = false;
        }
    }

    /**
     * (a) Finds the place, so that the data behind the bitmap begins at a page, and grows for it.
     * The last sector of the volume stays free for the footer.
     */
    private void place(Allocation allocation) {
        long dataSector = roundUp(nextFree + bitmapSectors, PAGE_SECTORS);
        long end = (dataSector + blockSectors) * SECTOR;
        if (dataSector + blockSectors > LAST_SECTOR) {
            host.context().atEndOfTurn(() -> finish(allocation, IoStatus.NO_SPACE));
            return;
        }
        if (end + VhdFooter.BYTES > host.device().geometry().sizeBytes()) {
            if (!growing) {
                growing = true;
                host.grow(end + VhdFooter.BYTES, this::grown);
            }
            return;
        }
        allocation.sector = dataSector - bitmapSectors;
        nextFree = dataSector + blockSectors;
        endInOrder = false;
        long start = allocation.sector * SECTOR;
        long zeroEnd = Math.min(end, zeroFrom);
        if (start < zeroEnd) {
            BlockRequest zero = host.context().acquire();
            zero.set(BlockOp.WRITE_ZEROES, BlockRequest.NO_HOLE, start, zeroEnd - start);
            zero.owner = allocation;
            zero.push(placeZeroed);
            host.device().submit(zero);
        } else {
            zeroBitmap(allocation);
        }
    }

    private static long roundUp(long value, int unit) {
        return (value + unit - 1) / unit * unit;
    }

    private void grown(IoStatus status) {
        growing = false;
        for (Allocation allocation : List.copyOf(allocations)) {
            if (allocation.sector < 0) {
                if (status == IoStatus.OK) {
                    place(allocation);
                } else {
                    finish(allocation, status);
                }
            }
        }
    }

    private void placeZeroed(BlockRequest zero) {
        if (asked) {
            host.context().atEndOfTurn(() -> placeZeroed(zero));
            return;
        }
        Allocation allocation = (Allocation) zero.owner;
        IoStatus status = zero.status;
        giveBack(zero);
        if (status == IoStatus.OK) {
            zeroBitmap(allocation);
        } else {
            finish(allocation, status);
        }
    }

    /** (c) Writes the new bitmap, which takes the space that later commits will need. */
    private void zeroBitmap(Allocation allocation) {
        BlockRequest write = host.context().acquire();
        long start = bitmapPage(allocation.sector);
        int length = (int) ((allocation.sector + bitmapSectors) * SECTOR - start);
        write.set(BlockOp.WRITE, 0, start, length);
        write.data(host.context().buffers().acquireNow(length), BufferPool.HEADROOM_BYTES);
        write.zero(0, length);
        write.owner = allocation;
        write.push(bitmapZeroed);
        host.device().submit(write);
    }

    /** Where to begin writing a bitmap: with its whole page if nothing else lies there. */
    private long bitmapPage(long sector) {
        long page = (sector + bitmapSectors - PAGE_SECTORS) * SECTOR;
        return aligned && page >= metadataEnd ? page : sector * SECTOR;
    }

    private void bitmapZeroed(BlockRequest write) {
        if (asked) {
            host.context().atEndOfTurn(() -> bitmapZeroed(write));
            return;
        }
        Allocation allocation = (Allocation) write.owner;
        IoStatus status = write.status;
        giveBack(write);
        if (status == IoStatus.OK) {
            int block = allocation.block;
            bat[block] = (int) allocation.sector;
            int sector = block / ENTRIES_PER_SECTOR;
            if (!isTableDirty(block)) {
                dirtyTable[sector / Long.SIZE] |= 1L << sector;
                dirtyTableSectors++;
            }
            Invariant.check(bitmaps[block] == null, "a new block has no bitmap in memory");
            full[block >> 3] &= (byte) ~(0x80 >> (block & 7));
            remember(block).referenced = true;
        }
        finish(allocation, status);
    }

    private void finish(Allocation allocation, IoStatus status) {
        allocations.remove(allocation);
        if (status != IoStatus.OK && allocation.sector >= 0) {
            long end = allocation.sector + bitmapSectors + blockSectors;
            nextFree = nextFree == end ? allocation.sector : nextFree;
        }
        BlockRequest waiting = allocation.waitingFirst;
        allocation.waitingFirst = null;
        wakeAll(waiting, status);
    }

    // ---- commit

    @Override
    public boolean isDirty() {
        return dirtyTableSectors > 0 || !dirtyBitmaps.isEmpty();
    }

    @Override
    public void commit(CommitListener listener) {
        commit.request(listener);
    }

    /** One commit at a time; what comes while one is running is served together by the next. */
    private final class Commit {
        private final BlockCompletion dataFlushed = this::dataFlushed;
        private final BlockCompletion metadataWritten = this::metadataWritten;
        private final BlockCompletion metadataFlushed = this::metadataFlushed;
        private final List<BlockBitmap> writing = new ArrayList<>();
        private List<CommitListener> current = new ArrayList<>();
        private List<CommitListener> following = new ArrayList<>();
        private IoStatus failure = IoStatus.OK;
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
            snapshot();
            flush(dataFlushed);
        }

        /**
         * Copies what is dirty now: bits that are set after this belong to data not flushed yet.
         * The copy is in pieces, since there is no bound on how much a busy disk changes during the
         * flush before.
         */
        private void snapshot() {
            writes = 0;
            expectedBytes =
                    dirtyBitmaps.size() * ((long) header.bitmapBytes() + PAGE_SECTORS * SECTOR)
                            + (long) dirtyTableSectors * SECTOR;
            for (int i = 0; i < dirtyBitmaps.size(); i++) {
                BlockBitmap bitmap = dirtyBitmaps.get(i);
                snapshotBitmap(bitmap);
                bitmap.dirty = false;
                bitmap.committing = true;
                writing.add(bitmap);
            }
            dirtyBitmaps.clear();
            snapshotTable();
        }

        private void snapshotBitmap(BlockBitmap bitmap) {
            long sector = Integer.toUnsignedLong(bat[bitmap.block]);
            long start = bitmapPage(sector);
            int length = (int) ((sector + bitmapSectors) * SECTOR - start);
            int padding = length - bitmap.bits.length;
            MemorySegment copy = add(start, length);
            copy.asSlice(copyAt, padding).fill((byte) 0);
            MemorySegment.copy(
                    bitmap.bits,
                    0,
                    copy,
                    ValueLayout.JAVA_BYTE,
                    copyAt + padding,
                    bitmap.bits.length);
            copyAt += length;
        }

        private void snapshotTable() {
            for (int word = 0; word < dirtyTable.length && dirtyTableSectors > 0; word++) {
                for (long rest = dirtyTable[word]; rest != 0; rest &= rest - 1) {
                    int sector = word * Long.SIZE + Long.numberOfTrailingZeros(rest);
                    int first = sector * ENTRIES_PER_SECTOR;
                    MemorySegment copy = add(header.tableOffset() + (long) sector * SECTOR, SECTOR);
                    for (int i = 0; i < ENTRIES_PER_SECTOR; i++) {
                        int entry = first + i < bat.length ? bat[first + i] : VhdImage.UNUSED;
                        copy.set(BIG_ENDIAN_INT, copyAt + 4L * i, entry);
                    }
                    copyAt += SECTOR;
                    dirtyTableSectors--;
                }
                dirtyTable[word] = 0;
            }
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
                copies.add(host.context().buffers().acquireNow((int) bytes));
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

        private void flush(BlockCompletion completion) {
            BlockRequest request = host.context().acquire().set(BlockOp.FLUSH, 0, 0, 0);
            request.push(completion);
            host.device().submit(request);
        }

        private void dataFlushed(BlockRequest flush) {
            IoStatus status = flush.status;
            giveBack(flush);
            if (status != IoStatus.OK || writes == 0) {
                end(status);
                return;
            }
            pending = writes;
            int count = writes;
            for (int i = 0; i < count; i++) {
                BlockRequest write = host.context().acquire();
                write.set(BlockOp.WRITE, 0, offsets[i], lengths[i]);
                write.data(sources[i], positions[i]);
                write.push(metadataWritten);
                host.device().submit(write);
            }
        }

        private void metadataWritten(BlockRequest write) {
            if (write.status != IoStatus.OK && failure == IoStatus.OK) {
                failure = write.status;
            }
            host.context().release(write);
            if (--pending == 0) {
                if (failure == IoStatus.OK) {
                    flush(metadataFlushed);
                } else {
                    end(failure);
                }
            }
        }

        private void metadataFlushed(BlockRequest flush) {
            IoStatus status = flush.status;
            giveBack(flush);
            end(status);
        }

        /** A failure stays: nobody knows what is on the device until the image is read again. */
        private void end(IoStatus status) {
            if (status != IoStatus.OK) {
                failure = status;
            }
            for (int i = 0; i < copies.size(); i++) {
                host.context().buffers().release(copies.get(i));
            }
            copies.clear();
            for (int i = 0; i < writing.size(); i++) {
                finishBitmap(writing.get(i), status);
            }
            writing.clear();
            running = false;
            List<CommitListener> done = current;
            current = new ArrayList<>();
            done.forEach(listener -> listener.committed(status));
            if (!running && !following.isEmpty()) {
                begin();
            }
        }
    }

    /** Bits that did not reach the device stay in memory: reads still have to find the data. */
    private void finishBitmap(BlockBitmap bitmap, IoStatus status) {
        bitmap.committing = false;
        if (status != IoStatus.OK && !bitmap.dirty) {
            bitmap.dirty = true;
            dirtyBitmaps.add(bitmap);
        }
    }

    private static final ValueLayout.OfInt BIG_ENDIAN_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(java.nio.ByteOrder.BIG_ENDIAN);

    // ---- size and end

    /**
     * The footer at the start is a single sector and decides. Before it is written: the footer at
     * the end is taken away, so that a crash leaves an unclean image and not two footers that
     * disagree; entries of the table behind the old size are cleared, whatever a foreign program
     * left there.
     */
    @Override
    public void resize(BlockAccess access, long newSizeBytes) {
        if (header.capacityBytes() < newSizeBytes) {
            throw ErrorCode.VDI_RESIZE.because(
                    "the block table of this image has room for a disk of "
                            + header.capacityBytes()
                            + " bytes; copy it to a new disk to make it larger");
        }
        if (batmap != null
                && Batmap.usedBytes(newSizeBytes, header.blockBytes()) > 512L * batmap.sectors()) {
            throw ErrorCode.VDI_RESIZE.because(
                    "the batmap of this image has no room for a disk of "
                            + newSizeBytes
                            + " bytes; copy it to a new disk to make it larger");
        }
        removeEnd(access);
        int newLength = (int) ((newSizeBytes + header.blockBytes() - 1) / header.blockBytes());
        clearEntries(access, bat.length, newLength);
        VhdFooter resized = footer.withSize(newSizeBytes);
        access.write(0, resized.encode());
        access.flush();
        int oldLength = bat.length;
        bat = Arrays.copyOf(bat, newLength);
        Arrays.fill(bat, oldLength, newLength, VhdImage.UNUSED);
        full = Arrays.copyOf(full, Batmap.usedBytes(newSizeBytes, header.blockBytes()));
        bitmaps = Arrays.copyOf(bitmaps, newLength);
        dirtyTable = Arrays.copyOf(dirtyTable, tableWords(newLength));
        footer = resized;
        batmapChanged = true;
    }

    /** Where a volume did not have to grow for new blocks, the footer is there after them, too. */
    private void removeEnd(BlockAccess access) {
        endInOrder = false;
        batmapChanged = true;
        long end = VhdFormat.lastSector(access);
        if (end >= dataEnd()) {
            access.zero(end, VhdFooter.BYTES);
            access.flush();
        }
    }

    private void clearEntries(BlockAccess access, int from, int to) {
        long first = header.tableOffset() + from * 4L / SECTOR * SECTOR;
        long last = header.tableOffset() + (to * 4L + SECTOR - 1) / SECTOR * SECTOR;
        if (from >= to) {
            return;
        }
        byte[] sectors = access.read(first, (int) (last - first));
        long at = header.tableOffset() + from * 4L - first;
        Arrays.fill(sectors, (int) at, (int) (at + (to - from) * 4L), (byte) 0xFF);
        access.write(first, sectors);
        access.flush();
    }

    @Override
    public void seal(BlockAccess access) {
        if (commit.failure != IoStatus.OK || (endInOrder && !batmapChanged)) {
            return;
        }
        removeEnd(access);
        if (batmap != null) {
            access.write(batmap.offset(), full);
            access.write(Batmap.headerOffset(header), batmap.encode(full));
            access.flush();
        }
        long end = dataEnd() + VhdFooter.BYTES;
        access.grow(end);
        access.shrink(end);
        access.write(VhdFormat.lastSector(access), footer.encode());
        access.flush();
        endInOrder = true;
        batmapChanged = false;
    }

    private long dataEnd() {
        long last = metadataEnd / SECTOR;
        for (int entry : bat) {
            if (entry != VhdImage.UNUSED) {
                last = Math.max(last, Integer.toUnsignedLong(entry) + bitmapSectors + blockSectors);
            }
        }
        return last * SECTOR;
    }
}
