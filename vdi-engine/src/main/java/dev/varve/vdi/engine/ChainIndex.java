// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.Waiter;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.Mapping;
import dev.varve.vdi.image.MetadataCache;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which layer of a chain holds what, so that a read costs one request of a device at any depth.
 *
 * <p>Two levels: for each block of 2 MiB the one layer that has data of it, or a map that tells the
 * layer of each sector where there are several. Both are worked out when they are first needed, by
 * asking the layers from the leaf down, and kept in the lane's {@link MetadataCache}.
 *
 * <p><b>Invariants:</b> an entry names a layer by its position, so a new leaf changes no entry.
 * When two layers become one, the positions above it change; each page follows when it is used
 * next. An entry that names one layer means that no other layer has data of the block; what that
 * layer does not have is zero. A write is seen by the entry, or the map, or the search that is
 * under way, before the request that wrote completes. Of two layers the upper one counts.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class ChainIndex implements Waiter {
    static final int BLOCK_BYTES = 2 << 20;

    private static final int SECTOR = 512;
    private static final int SECTORS = BLOCK_BYTES / SECTOR;

    // Values of entries and, except for the first and the third, of maps.
    private static final short UNKNOWN = 0;
    private static final short ZERO = 1;
    private static final short MIXED = 2;
    private static final short FIRST_LAYER = 3;

    /** The entries of some blocks. */
    private static final class Page extends MetadataCache.Page {
        static final int ENTRIES = 1024;

        private final ChainIndex owner;
        private final int index;
        final short[] entries = new short[ENTRIES];

        /** Maps of mixed blocks that are in memory; made with the first. */
        SectorMap[] maps;

        /** Searches under way that will set an entry. */
        int searches;

        /** How many of the owner's joins it knows of. */
        int joins;

        Page(ChainIndex owner, int index) {
            super(ENTRIES * (Short.BYTES + Integer.BYTES) + 96);
            this.owner = owner;
            this.index = index;
            this.joins = owner.joins;
        }

        /** Follows the joins that it does not know of. */
        void follow() {
            while (joins < owner.joins) {
                int position = owner.joined[joins];
                lower(entries, position);
                for (int i = 0; maps != null && i < ENTRIES; i++) {
                    if (maps[i] != null) {
                        lower(maps[i].owners, position);
                    }
                }
                joins++;
            }
        }

        @Override
        protected boolean isEvictable() {
            return searches == 0;
        }

        @Override
        protected void evicted() {
            owner.pages[index] = null;
            for (int i = 0; maps != null && i < ENTRIES; i++) {
                dropMap(i);
            }
        }

        SectorMap map(int within) {
            return maps == null ? null : maps[within];
        }

        void dropMap(int within) {
            SectorMap map = map(within);
            if (map != null) {
                owner.cache.remove(map);
                maps[within] = null;
            }
        }
    }

    /** For each sector of a block the layer that has it. */
    private static final class SectorMap extends MetadataCache.Page {
        final short[] owners;
        private final Page page;
        private final int within;

        SectorMap(Page page, int within, short[] owners) {
            super(SECTORS * Short.BYTES + 64);
            this.page = page;
            this.within = within;
            this.owners = owners;
        }

        @Override
        protected boolean isEvictable() {
            return true;
        }

        @Override
        protected void evicted() {
            page.maps[within] = null;
        }
    }

    /** A block whose layers are being asked. */
    private static final class Search {
        int block;
        Page page;

        /** The layers found so far; {@link #UNKNOWN} where none was. */
        short[] owners = new short[SECTORS];

        /** The layer that is asked now, and how far. */
        int layer;

        int sector;
        int sectors;
        boolean over;
        BlockRequest probe;
        BlockRequest waitingFirst;
    }

    private final ImageChain chain;
    private final MetadataCache cache;
    private final List<Search> searches = new ArrayList<>();
    private final Mapping found = new Mapping();
    private Page[] pages;

    /** Where layers were joined with the one below, as far as not all pages know. */
    private final int[] joined = new int[64];

    private int joins;
    private boolean released;

    ChainIndex(ImageChain chain) {
        this.chain = chain;
        this.cache = chain.leaf().metadata();
        this.pages = new Page[pageCount(chain.sizeBytes())];
    }

    private static int pageCount(long sizeBytes) {
        long blocks = (sizeBytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
        return (int) ((blocks + Page.ENTRIES - 1) / Page.ENTRIES);
    }

    // ---- asking

    /** Tells where a range begins: DATA with its layer, or ZERO; or WAIT or FAILED. */
    void locate(BlockRequest request, long offset, long length, Mapping answer) {
        int block = (int) (offset / BLOCK_BYTES);
        long within = offset % BLOCK_BYTES;
        long count = Math.min(length, BLOCK_BYTES - within);
        Page page = page(block);
        page.touch();
        int slot = block % Page.ENTRIES;
        if (isOpen(page, slot) && !search(page, block, request, answer)) {
            return;
        }
        short entry = page.entries[slot];
        if (entry == ZERO) {
            answer.zero(count);
        } else if (entry == MIXED) {
            locateMixed(request, page.map(slot), offset, count, answer);
        } else {
            ask(request, entry - FIRST_LAYER, offset, count, answer);
        }
    }

    private static boolean isOpen(Page page, int slot) {
        return page.entries[slot] == UNKNOWN
                || (page.entries[slot] == MIXED && page.map(slot) == null);
    }

    private Page page(int block) {
        int index = block / Page.ENTRIES;
        Page page = pages[index];
        if (page == null) {
            page = new Page(this, index);
            pages[index] = page;
            cache.add(page);
        }
        page.follow();
        return page;
    }

    private void ask(BlockRequest request, int layer, long offset, long count, Mapping answer) {
        chain.layer(layer).layer().lookup(request, offset, count, answer);
        answer.layer = layer;
        if (answer.kind == Mapping.Kind.ABSENT) {
            answer.zero(answer.length);
        }
    }

    private void locateMixed(
            BlockRequest request, SectorMap map, long offset, long count, Mapping answer) {
        map.touch();
        int from = (int) (offset % BLOCK_BYTES / SECTOR);
        int limit = from + (int) (count / SECTOR);
        short owner = map.owners[from];
        int to = from + 1;
        while (to < limit && map.owners[to] == owner) {
            to++;
        }
        long bytes = (long) (to - from) * SECTOR;
        if (owner == ZERO) {
            answer.zero(bytes);
        } else {
            int layer = owner - FIRST_LAYER;
            chain.layer(layer).layer().locate(request, offset, bytes, answer);
            answer.layer = layer;
        }
    }

    // ---- searching

    /** Finds out about a block; true when that is done at once, else WAIT or FAILED is answered. */
    private boolean search(Page page, int block, BlockRequest request, Mapping answer) {
        Search search = searchOf(block);
        if (search == null) {
            search = begin(page, block);
            IoStatus status = advance(search);
            if (status != IoStatus.OK) {
                answer.failed(status);
                return false;
            }
        }
        if (search.over) {
            return true;
        }
        request.next = search.waitingFirst;
        search.waitingFirst = request;
        answer.await();
        return false;
    }

    private Search searchOf(int block) {
        for (int i = 0; i < searches.size(); i++) {
            if (searches.get(i).block == block) {
                return searches.get(i);
            }
        }
        return null;
    }

    private Search begin(Page page, int block) {
        Search search = new Search();
        search.block = block;
        search.page = page;
        search.layer = chain.depth() - 1;
        long rest = chain.sizeBytes() - (long) block * BLOCK_BYTES;
        search.sectors = (int) Math.min(SECTORS, rest / SECTOR);
        search.probe = chain.leaf().context().acquire().set(BlockOp.EXTENTS, 0, 0, 0);
        search.probe.owner = search;
        search.probe.waiter = this;
        searches.add(search);
        page.searches++;
        return search;
    }

    /** Asks layers until one has to wait, or all is known; anything but OK is a failure. */
    private IoStatus advance(Search search) {
        while (search.layer >= 0) {
            ImageLayer layer = chain.layer(search.layer).layer();
            while (nextUnknown(search)) {
                int end = search.sector + 1;
                while (end < search.sectors && search.owners[end] == UNKNOWN) {
                    end++;
                }
                long offset = (long) search.block * BLOCK_BYTES + (long) search.sector * SECTOR;
                layer.lookup(search.probe, offset, (long) (end - search.sector) * SECTOR, found);
                switch (found.kind) {
                    case WAIT -> {
                        return IoStatus.OK;
                    }
                    case FAILED -> {
                        finish(search);
                        return found.status;
                    }
                    case DATA, ZERO, ABSENT -> note(search);
                }
            }
            search.sector = 0;
            search.layer--;
            if (!nextUnknown(search)) {
                break;
            }
        }
        conclude(search);
        finish(search);
        return IoStatus.OK;
    }

    private static boolean nextUnknown(Search search) {
        while (search.sector < search.sectors && search.owners[search.sector] != UNKNOWN) {
            search.sector++;
        }
        return search.sector < search.sectors;
    }

    private void note(Search search) {
        int end = search.sector + (int) (found.length / SECTOR);
        if (found.kind == Mapping.Kind.DATA) {
            short owner = (short) (search.layer + FIRST_LAYER);
            Arrays.fill(search.owners, search.sector, end, owner);
        }
        search.sector = end;
    }

    private void conclude(Search search) {
        if (released) {
            return;
        }
        search.page.follow();
        short only = UNKNOWN;
        boolean several = false;
        for (int i = 0; i < search.sectors; i++) {
            short owner = search.owners[i];
            if (owner != UNKNOWN) {
                several |= only != UNKNOWN && owner != only;
                only = owner;
            }
        }
        int slot = search.block % Page.ENTRIES;
        search.page.entries[slot] = several ? MIXED : only == UNKNOWN ? ZERO : only;
        if (several) {
            for (int i = 0; i < SECTORS; i++) {
                search.owners[i] = search.owners[i] == UNKNOWN ? ZERO : search.owners[i];
            }
            keep(new SectorMap(search.page, slot, search.owners));
        }
    }

    private void keep(SectorMap map) {
        if (map.page.maps == null) {
            map.page.maps = new SectorMap[Page.ENTRIES];
        }
        map.page.maps[map.within] = map;
        cache.add(map);
    }

    private void finish(Search search) {
        search.over = true;
        searches.remove(search);
        search.page.searches--;
        chain.leaf().context().release(search.probe);
        search.probe = null;
    }

    /** A layer can be asked again for the block of a search. */
    @Override
    public void resume(BlockRequest probe) {
        Search search = (Search) probe.owner;
        IoStatus status = advance(search);
        if (search.over) {
            wake(search, status);
        }
    }

    @Override
    public void fail(BlockRequest probe, IoStatus status) {
        Search search = (Search) probe.owner;
        finish(search);
        wake(search, status);
    }

    private static void wake(Search search, IoStatus status) {
        BlockRequest waiting = search.waitingFirst;
        search.waitingFirst = null;
        BlockRequest.wakeAll(waiting, status);
    }

    // ---- changes

    /** A range was written to a layer. */
    void written(int layer, long offset, long length) {
        short owner = (short) (layer + FIRST_LAYER);
        long end = offset + length;
        for (long at = offset; at < end; ) {
            int block = (int) (at / BLOCK_BYTES);
            long blockEnd = Math.min(end, (block + 1L) * BLOCK_BYTES);
            int from = (int) (at % BLOCK_BYTES / SECTOR);
            int to = from + (int) ((blockEnd - at) / SECTOR);
            Search search = searches.isEmpty() ? null : searchOf(block);
            if (search != null) {
                raise(search.owners, from, to, owner);
            }
            Page page = pages[block / Page.ENTRIES];
            if (page != null) {
                change(page, block, layer, owner, from, to);
            }
            at = blockEnd;
        }
    }

    private void change(Page page, int block, int layer, short owner, int from, int to) {
        page.follow();
        int slot = block % Page.ENTRIES;
        short entry = page.entries[slot];
        if (entry == UNKNOWN || entry == owner) {
            return;
        }
        boolean whole = layer == chain.depth() - 1 && isWhole(layer, block);
        if (entry == ZERO || whole) {
            page.entries[slot] = owner;
            page.dropMap(slot);
        } else if (entry != MIXED) {
            page.entries[slot] = MIXED;
        } else if (page.map(slot) != null) {
            raise(page.map(slot).owners, from, to, owner);
        }
    }

    private boolean isWhole(int layer, int block) {
        long offset = (long) block * BLOCK_BYTES;
        long length = Math.min(BLOCK_BYTES, chain.sizeBytes() - offset);
        return chain.layer(layer).layer().covers(offset, length);
    }

    /** A write that began before the last switch may end after one to the new leaf. */
    private static void raise(short[] owners, int from, int to, short owner) {
        for (int i = from; i < to; i++) {
            owners[i] = owners[i] < owner ? owner : owners[i];
        }
    }

    /** A layer has become one with the layer below it. */
    void joined(int position) {
        if (joins == joined.length) {
            for (Page page : pages) {
                if (page != null) {
                    page.follow();
                    page.joins = 0;
                }
            }
            joins = 0;
        }
        joined[joins++] = position;
        for (int i = 0; i < searches.size(); i++) {
            Search search = searches.get(i);
            lower(search.owners, position);
            if (search.layer == position) {
                search.sector = 0; // what the upper one does not have, the lower one may
            }
            search.layer -= search.layer >= position ? 1 : 0;
        }
    }

    private static void lower(short[] owners, int position) {
        short first = (short) (position + FIRST_LAYER);
        for (int i = 0; i < owners.length; i++) {
            owners[i] = owners[i] >= first ? (short) (owners[i] - 1) : owners[i];
        }
    }

    /** The disk is larger now; of the block where it ended more may be said. */
    void resized(long oldSizeBytes) {
        pages = Arrays.copyOf(pages, pageCount(chain.sizeBytes()));
        int block = (int) (oldSizeBytes / BLOCK_BYTES);
        if (oldSizeBytes % BLOCK_BYTES != 0 && pages[block / Page.ENTRIES] != null) {
            Page page = pages[block / Page.ENTRIES];
            page.entries[block % Page.ENTRIES] = UNKNOWN;
            page.dropMap(block % Page.ENTRIES);
        }
    }

    /** Forgets everything. Searches under way come to their end, and note nothing. */
    void release() {
        released = true;
        for (Page page : pages) {
            if (page != null) {
                cache.remove(page);
                page.evicted();
            }
        }
    }
}
