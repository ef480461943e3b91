// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.Mapping;

import java.util.Arrays;
import java.util.BitSet;

/**
 * A dynamic or differencing VHD on a lane.
 *
 * <p><b>Invariants:</b> a sector of an allocated block whose bit is clear is not in this layer; in
 * an image without parent it reads as zero, and also is zero on the device, unless a crash kept
 * data there of a write that was never acknowledged as safe. A bit of the batmap is set only when
 * all bits of the block are. A block that is named in the table in memory has its place on the
 * device, with its bitmap written as zeros.
 *
 * <p><b>Durability and write order.</b> Before data is written to a new block its place is made, as
 * {@link VhdSpace} tells. What was written becomes durable as {@link VhdCommit} tells.
 *
 * <table>
 * <caption>What a crash leaves</caption>
 * <tr><th>after</th><th>on the device</th></tr>
 * <tr><td>(a), (b), (c) of a new place, data</td><td>space behind the last block that nothing names; the footer at
 * the end is gone, so the image is <i>unclean</i> and the space is cut off when it is opened</td></tr>
 * <tr><td>a part of (2) of a commit</td><td>a block is named: its data is there since (1), and bits that did not
 * make it leave zeros or the data of before, neither acknowledged. A bit is set: its data is there
 * since (1)</td></tr>
 * <tr><td>(3) of a commit</td><td>everything that was written before the commit</td></tr>
 * </table>
 *
 * Nothing here needs a write of more than one sector to be atomic: entries of the table and bitmaps
 * stand for themselves, and sectors that are written along keep their content. The batmap and the
 * footer at the end are written by {@link #seal} only; until then the batmap on the device tells
 * what was true when the image was opened, and blocks never become less full: one that was full,
 * was given up and is used again begins with all its bits set.
 */
final class VhdLayer implements ImageLayer {
    private static final int SECTOR = 512;
    private static final int MOST_DIRTY_BITMAPS = 1024;

    private final VhdFormat format;
    private final VhdHeader header;
    private final Batmap batmap;
    private final int bitmapSectors;
    private final LayerIo io = new LayerIo();
    private final BlockTable table;
    private final BlockBitmaps bitmaps;

    /** Null when the image is only read; so is {@link #commit}. */
    private final VhdSpace space;

    private final VhdCommit commit;

    private volatile ImageInfo info;
    private volatile VhdFooter footer;

    /** The batmap; of blocks in {@link #calledFull} it tells what the device may say. */
    private byte[] full;

    /** Blocks without a place that the batmap on the device may call fully written. */
    private final BitSet calledFull;

    private int usedBlocks;
    private boolean endInOrder;

    /** How large the volume was when its end was found or put in order, in bytes. */
    private long orderedBytes;

    private boolean batmapChanged;

    /** An image that is only read: its table is looked at as far as it is needed. */
    VhdLayer(VhdFormat format, ImageInfo info, VhdImage image, byte[] full) {
        this(format, info, image, full, null);
    }

    /**
     * @param found what is known of the whole table of an image that is written, or null
     */
    VhdLayer(VhdFormat format, ImageInfo info, VhdImage image, byte[] full, VhdTable found) {
        this.format = format;
        this.info = info;
        footer = image.footer();
        header = image.header();
        batmap = image.batmap();
        this.full = full;
        bitmapSectors = header.bitmapBytes() / SECTOR;
        table =
                new BlockTable(
                        io, header, header.blocks(footer.currentSize()), image.metadataEnd());
        bitmaps = new BlockBitmaps(io, header);
        boolean writable = found != null;
        calledFull = writable ? found.calledFull() : new BitSet();
        space =
                writable
                        ? new VhdSpace(io, header, found, image.volumeBytes(), new Placing())
                        : null;
        commit = writable ? new VhdCommit(io, table, bitmaps, space, bitmapSectors) : null;
        usedBlocks = writable ? found.blocks() : -1;
        endInOrder = info.clean() && image.firstInOrder();
        orderedBytes = image.volumeBytes();
        batmapChanged = !calledFull.isEmpty();
    }

    @Override
    public ImageInfo info() {
        return info;
    }

    @Override
    public long sizeBytes() {
        return footer.currentSize();
    }

    @Override
    public boolean isEmpty() {
        return usedBlocks == 0;
    }

    @Override
    public void bind(LayerHost newHost) {
        io.bind(newHost);
    }

    // ---- where data is

    @Override
    public void lookup(BlockRequest request, long offset, long length, Mapping answer) {
        find(request, offset, length, answer, false);
    }

    @Override
    public void locate(BlockRequest request, long offset, long length, Mapping answer) {
        find(request, offset, length, answer, true);
    }

    private void find(
            BlockRequest request, long offset, long length, Mapping answer, boolean known) {
        if (offset >= footer.currentSize()) {
            answer.absent(length);
            return;
        }
        int block = (int) (offset / header.blockBytes());
        long within = offset % header.blockBytes();
        long rest = Math.min(header.blockBytes() - within, footer.currentSize() - offset);
        long count = Math.min(length, rest);
        int place = place(request, block, answer);
        if (answer.kind == Mapping.Kind.WAIT || answer.kind == Mapping.Kind.FAILED) {
            return;
        }
        if (place == VhdImage.UNUSED) {
            answer.absent(count);
        } else if (known || isFull(block)) {
            answer.data(dataOffset(place) + within, count);
        } else {
            findInBlock(request, block, place, within, count, answer);
        }
    }

    private void findInBlock(
            BlockRequest request, int block, int place, long within, long count, Mapping answer) {
        BlockBitmap bitmap = bitmaps.get(block, Integer.toUnsignedLong(place));
        if (bitmap.loading) {
            await(request, bitmap, answer);
            return;
        }
        int from = (int) (within / SECTOR);
        int sectors = bitmap.run(from, from + (int) (count / SECTOR));
        if (bitmap.isSet(from)) {
            answer.data(dataOffset(place) + within, (long) sectors * SECTOR);
        } else {
            answer.absent((long) sectors * SECTOR);
        }
    }

    /** The entry of a block, or WAIT or FAILED in the answer. */
    private int place(BlockRequest request, int block, Mapping answer) {
        TablePage page = table.page(block);
        if (page.loading) {
            request.next = page.waitingFirst;
            page.waitingFirst = request;
            answer.await();
            return VhdImage.UNUSED;
        }
        int entry = page.entries[block % TablePage.ENTRIES];
        if (entry == BlockTable.IMPOSSIBLE) {
            answer.failed(IoStatus.IO_ERROR);
        } else {
            answer.kind = Mapping.Kind.ABSENT;
        }
        return entry;
    }

    private long dataOffset(int place) {
        return (Integer.toUnsignedLong(place) + bitmapSectors) * SECTOR;
    }

    private boolean isFull(int block) {
        return (full[block >> 3] & 0x80 >> (block & 7)) != 0 && !calledFull.get(block);
    }

    private static void await(BlockRequest request, BlockBitmap bitmap, Mapping answer) {
        request.next = bitmap.waitingFirst;
        bitmap.waitingFirst = request;
        answer.await();
    }

    @Override
    public boolean covers(long offset, long length) {
        if (offset + length > footer.currentSize()) {
            return false;
        }
        int last = (int) ((offset + length - 1) / header.blockBytes());
        for (int block = (int) (offset / header.blockBytes()); block <= last; block++) {
            if (!isFull(block)) {
                return false;
            }
        }
        return true;
    }

    // ---- where data may be written

    @Override
    public void expectWrites() {
        if (space != null) {
            space.extendAhead();
        }
    }

    @Override
    public void prepare(BlockRequest request, long offset, long length, Mapping answer) {
        int block = (int) (offset / header.blockBytes());
        long within = offset % header.blockBytes();
        long count = Math.min(length, header.blockBytes() - within);
        if (commit.failure() != IoStatus.OK && !isFull(block)) {
            answer.failed(commit.failure());
            return;
        }
        int place = place(request, block, answer);
        if (answer.kind == Mapping.Kind.WAIT || answer.kind == Mapping.Kind.FAILED) {
            return;
        }
        if (place == VhdImage.UNUSED) {
            space.allocate(block, table.page(block), request);
            answer.await();
            return;
        }
        BlockBitmap bitmap =
                isFull(block)
                        ? bitmaps.find(block)
                        : bitmaps.get(block, Integer.toUnsignedLong(place));
        if (bitmap != null && bitmap.loading) {
            await(request, bitmap, answer);
            return;
        }
        answer.data(dataOffset(place) + within, count);
        if (bitmap != null) {
            bitmap.pins++;
            answer.pin = bitmap;
        }
    }

    /** What {@link VhdSpace} asks and tells. */
    private final class Placing implements VhdSpace.Listener {
        @Override
        public boolean isCalledFull(int block) {
            return calledFull.get(block);
        }

        @Override
        public int blocksWithoutPlace() {
            return table.blocks() - usedBlocks;
        }

        @Override
        public void placed(int block, long sector) {
            Invariant.check(bitmaps.find(block) == null, "a new block has no bitmap in memory");
            table.set(block, (int) sector);
            usedBlocks++;
            endInOrder = false;
            if (calledFull.get(block)) {
                calledFull.clear(block);
            } else {
                bitmaps.add(block, sector);
            }
        }
    }

    @Override
    public void written(long offset, long length, Object pin) {
        if (!(pin instanceof BlockBitmap bitmap)) {
            return; // the block was full before, and its bitmap is not in memory
        }
        unpin(bitmap);
        int block = bitmap.block;
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
        bitmaps.dirty().add(bitmap);
        if (bitmaps.dirty().size() >= MOST_DIRTY_BITMAPS && commit.isIdle()) {
            commit.request(status -> {});
        }
    }

    @Override
    public void abandoned(Object pin) {
        if (pin instanceof BlockBitmap bitmap) {
            unpin(bitmap);
        }
    }

    private static void unpin(BlockBitmap bitmap) {
        Invariant.check(bitmap.pins > 0, "a write that ends was prepared");
        bitmap.pins--;
    }

    // ---- room that is given up

    @Override
    public long free(long offset, long length) {
        long within = offset % header.blockBytes();
        long blockBytes = Math.min(header.blockBytes(), footer.currentSize() - offset);
        int block = (int) (offset / header.blockBytes());
        TablePage page = table.present(block);
        if (within != 0 || length < blockBytes || page == null || commit.failure() != IoStatus.OK) {
            return 0;
        }
        int place = page.entries[block % TablePage.ENTRIES];
        BlockBitmap bitmap = bitmaps.find(block);
        boolean busy = bitmap != null && (bitmap.pins > 0 || bitmap.loading || bitmap.committing);
        if (place == VhdImage.UNUSED || place == BlockTable.IMPOSSIBLE || busy) {
            return 0;
        }
        if (bitmap != null) {
            if (bitmap.dirty) {
                bitmaps.dirty().remove(bitmap);
            }
            bitmaps.remove(bitmap);
        }
        if (isFull(block)) {
            calledFull.set(block);
        }
        table.set(block, VhdImage.UNUSED);
        batmapChanged = true;
        endInOrder = false;
        usedBlocks--;
        space.giveUp(place);
        return blockBytes;
    }

    @Override
    public boolean retireFreed() {
        return space != null && space.retire();
    }

    @Override
    public void reuseFreed() {
        space.reuseRetired();
    }

    // ---- commit

    @Override
    public boolean needsCommit(long offset, long length) {
        int last = (int) ((offset + length - 1) / header.blockBytes());
        boolean needed = commit.isRunning() || commit.failure() != IoStatus.OK;
        for (int block = (int) (offset / header.blockBytes()); block <= last && !needed; block++) {
            BlockBitmap bitmap = bitmaps.find(block);
            needed =
                    table.isDirty(block) || (bitmap != null && (bitmap.dirty || bitmap.committing));
        }
        return needed;
    }

    /**
     * What the table in memory does not name, or whose bit is clear in a bitmap in memory, is not
     * named on the device either. What would have to be read to tell counts as seen.
     */
    @Override
    public boolean showsAtOnce(long offset, long length) {
        long end = Math.min(offset + length, footer.currentSize());
        for (long at = offset; at < end; ) {
            int block = (int) (at / header.blockBytes());
            long next = Math.min(end, (block + 1L) * header.blockBytes());
            if (showsAtOnce(block, at % header.blockBytes(), next - at)) {
                return true;
            }
            at = next;
        }
        return false;
    }

    private boolean showsAtOnce(int block, long within, long length) {
        TablePage page = table.present(block);
        if (page == null) {
            return true;
        }
        if (page.entries[block % TablePage.ENTRIES] == VhdImage.UNUSED) {
            return false; // it gets a new place, even when the device still names its last one
        }
        BlockBitmap bitmap = bitmaps.find(block);
        int from = (int) (within / SECTOR);
        int to = from + (int) (length / SECTOR);
        return isFull(block)
                || bitmap == null
                || bitmap.loading
                || bitmap.isSet(from)
                || bitmap.run(from, to) < to - from;
    }

    @Override
    public void failed(IoStatus status) {
        commit.fail(status);
    }

    @Override
    public boolean isDirty() {
        return table.isDirty() || !bitmaps.dirty().isEmpty();
    }

    @Override
    public void commit(CommitListener listener) {
        if (commit == null) {
            listener.committed(IoStatus.OK);
        } else {
            commit.request(listener);
        }
    }

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
        access.await(space::rest);
        try {
            resizeAtRest(access, newSizeBytes);
        } finally {
            access.await(space::goOn);
        }
    }

    private void resizeAtRest(BlockAccess access, long newSizeBytes) {
        removeEnd(access);
        clearEntries(access, table.blocks(), header.blocks(newSizeBytes));
        VhdFooter resized = footer.withSize(newSizeBytes);
        access.write(0, resized.encode());
        access.flush();
        table.resize(header.blocks(newSizeBytes));
        full = Arrays.copyOf(full, Batmap.usedBytes(newSizeBytes, header.blockBytes()));
        footer = resized;
        batmapChanged = true;
    }

    /** Where a volume did not have to grow for new blocks, the footer is there after them, too. */
    private void removeEnd(BlockAccess access) {
        endInOrder = false;
        batmapChanged = true;
        long end = VhdFormat.lastSector(access);
        if (end >= space.usedEnd()) {
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
    public void seal(BlockAccess access, boolean hidden) {
        access.await(space::rest);
        boolean ended = endInOrder && VhdFormat.wholeSectors(access) == orderedBytes;
        boolean inOrder = ended && !batmapChanged && footer.hidden() == hidden;
        if (commit.failure() != IoStatus.OK || inOrder) {
            return;
        }
        removeEnd(access);
        if (batmap != null) {
            calledFull.stream().forEach(block -> full[block >> 3] &= (byte) ~(0x80 >> (block & 7)));
            calledFull.clear();
            access.write(batmap.offset(), full);
            access.write(Batmap.headerOffset(header), batmap.encode(full));
            access.flush();
        }
        if (footer.hidden() != hidden) {
            footer = footer.withHidden(hidden);
            access.write(0, footer.encode());
            access.flush();
        }
        cutOff(access, space.usedEnd() + VhdFooter.BYTES);
        access.write(VhdFormat.lastSector(access), footer.encode());
        access.flush();
        endInOrder = true;
        orderedBytes = VhdFormat.wholeSectors(access);
        batmapChanged = false;
    }

    /**
     * The footer at the end is left alone: while the lane gives places to blocks, its sector may be
     * one of theirs any time. One that disagrees with the first makes the image unclean.
     */
    @Override
    public void reread(BlockAccess access) {
        endInOrder = false;
        batmapChanged = true;
        VhdImage image = VhdImage.read(access);
        footer = image.footer();
        info = format.info(image, info.clean());
    }

    /**
     * Lets go of the room behind the last block. The footer needs some in another place then: where
     * there is none, the volume stays as large as it is, with the room at its end that was made for
     * the footer when it grew. What is the last sector afterwards is zero before.
     */
    private static void cutOff(BlockAccess access, long end) {
        try {
            access.grow(end);
            access.write(VhdFormat.lastSectorAfter(access, end), new byte[VhdFooter.BYTES]);
            access.flush(); // a size may be durable before what was written earlier
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_NO_SPACE) {
                throw e;
            }
            return;
        }
        access.shrink(end);
    }

    @Override
    public void release() {
        table.release();
        bitmaps.release();
    }
}
