// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The block allocation table of an open image, of which those pages are in memory that are needed.
 *
 * <p><b>Invariants:</b> a page that differs from the device is in {@link #dirtyPages()} and stays
 * in memory.
 *
 * <p><b>Threads:</b> the lane's only, except {@link #resize}.
 */
final class BlockTable {
    /** An entry that names a place where no block can be. */
    static final int IMPOSSIBLE = -2;

    static final ValueLayout.OfInt BIG_ENDIAN_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private static final int SECTOR = 512;

    private final LayerIo io;
    private final VhdHeader header;
    private final long firstSector;
    private final List<TablePage> dirtyPages = new ArrayList<>();
    private final BlockCompletion pageRead = this::pageRead;
    private TablePage[] pages;
    private int blocks;

    /**
     * @param metadataEnd where blocks can begin at the earliest, in bytes
     */
    BlockTable(LayerIo io, VhdHeader header, int blocks, long metadataEnd) {
        this.io = io;
        this.header = header;
        this.blocks = blocks;
        this.firstSector = metadataEnd / SECTOR;
        this.pages = new TablePage[pageCount(blocks)];
    }

    private static int pageCount(int blocks) {
        return (blocks + TablePage.ENTRIES - 1) / TablePage.ENTRIES;
    }

    int blocks() {
        return blocks;
    }

    /** The page of a block, which may still be loading. */
    TablePage page(int block) {
        TablePage page = pages[block / TablePage.ENTRIES];
        if (page == null) {
            page = load(block / TablePage.ENTRIES);
        }
        page.touch();
        return page;
    }

    /** The page of a block, if it is in memory. */
    TablePage present(int block) {
        TablePage page = pages[block / TablePage.ENTRIES];
        return page == null || page.loading ? null : page;
    }

    private TablePage load(int index) {
        TablePage page = new TablePage(this, index);
        page.loading = true;
        pages[index] = page;
        io.host().metadata().add(page);
        long at = (long) index * TablePage.BYTES;
        int length = (int) Math.min(TablePage.BYTES, header.tableBytes() - at);
        io.beginAsk();
        io.read(header.tableOffset() + at, length, page, pageRead);
        io.endAsk();
        return page;
    }

    private void pageRead(BlockRequest read) {
        if (io.defers(pageRead, read)) {
            return;
        }
        TablePage page = (TablePage) read.owner;
        IoStatus status = read.status;
        page.loading = false;
        if (status == IoStatus.OK) {
            fill(page, read);
        } else {
            io.host().metadata().remove(page);
            pages[page.index] = null;
        }
        io.giveBack(read);
        BlockRequest waiting = page.waitingFirst;
        page.waitingFirst = null;
        BlockRequest.wakeAll(waiting, status);
    }

    private void fill(TablePage page, BlockRequest read) {
        int first = page.index * TablePage.ENTRIES;
        int count = (int) Math.min(read.length / Integer.BYTES, blocks - first);
        long volumeSectors = io.host().device().geometry().sizeBytes() / SECTOR;
        long blockSectors = (header.bitmapBytes() + (long) header.blockBytes()) / SECTOR;
        for (int i = 0; i < count; i++) {
            int entry = read.buffer.get(BIG_ENDIAN_INT, read.bufferOffset + 4L * i);
            long sector = Integer.toUnsignedLong(entry);
            boolean possible =
                    entry == VhdImage.UNUSED
                            || (sector >= firstSector && sector + blockSectors <= volumeSectors);
            page.entries[i] = possible ? entry : IMPOSSIBLE;
        }
        Arrays.fill(page.entries, Math.max(0, count), TablePage.ENTRIES, VhdImage.UNUSED);
    }

    /** Changes the entry of a block whose page is in memory. */
    void set(int block, int entry) {
        TablePage page = pages[block / TablePage.ENTRIES];
        int within = block % TablePage.ENTRIES;
        page.entries[within] = entry;
        if (page.dirtySectors == 0) {
            dirtyPages.add(page);
        }
        page.dirtySectors |= 1 << (within / TablePage.ENTRIES_PER_SECTOR);
    }

    /** Whether the entry of a block is not on the device yet. */
    boolean isDirty(int block) {
        TablePage page = pages[block / TablePage.ENTRIES];
        int sector = block % TablePage.ENTRIES / TablePage.ENTRIES_PER_SECTOR;
        return page != null && ((page.dirtySectors >>> sector) & 1) != 0;
    }

    boolean isDirty() {
        return !dirtyPages.isEmpty();
    }

    /** The pages that differ from the device; a commit takes them from the list. */
    List<TablePage> dirtyPages() {
        return dirtyPages;
    }

    /** Where a sector of a page is on the device, in bytes. */
    long sectorOffset(TablePage page, int sector) {
        return header.tableOffset() + (long) page.index * TablePage.BYTES + (long) sector * SECTOR;
    }

    void forget(TablePage page) {
        pages[page.index] = null;
    }

    /**
     * The disk has more blocks now, none of which has a place. No request uses the table meanwhile.
     */
    void resize(int newBlocks) {
        TablePage last = blocks == 0 ? null : pages[(blocks - 1) / TablePage.ENTRIES];
        if (last != null) {
            int from = blocks - last.index * TablePage.ENTRIES;
            Arrays.fill(last.entries, from, TablePage.ENTRIES, VhdImage.UNUSED);
        }
        pages = Arrays.copyOf(pages, pageCount(newBlocks));
        blocks = newBlocks;
    }

    /** Lets go of all pages. */
    void release() {
        for (TablePage page : pages) {
            if (page != null) {
                io.host().metadata().remove(page);
            }
        }
        Arrays.fill(pages, null);
    }
}
