// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.Invariant;

import java.util.ArrayList;
import java.util.List;

/**
 * The pages of metadata that a lane has in memory: parts of block tables, bitmaps, and what was
 * worked out from them. Pages that were not used for a while make way for others when the {@link
 * MetadataBudget} is exceeded, in the manner of a clock: its hand passes a page that was used since
 * it came by last, and takes the next one that was not.
 *
 * <p><b>Threads:</b> the lane's only, except {@link #usedBytes}.
 */
public final class MetadataCache {
    /** Something that can be read or worked out again. */
    public abstract static class Page {
        private final int bytes;
        private int index = -1;
        private boolean used;

        /**
         * @param bytes how much memory it takes, about
         */
        protected Page(int bytes) {
            this.bytes = bytes;
        }

        /** Notes that it was of use, which keeps it for a while. */
        public final void touch() {
            used = true;
        }

        /** Whether it can go now. */
        protected abstract boolean isEvictable();

        /** It goes: whoever points at it forgets it. */
        protected abstract void evicted();
    }

    /**
     * So many pages a lane can always have, whatever others hold: a request may need a few
     * together, and would wait for ever if the second always took the place of the first.
     */
    static final int LEAST_PAGES = 64;

    private final MetadataBudget budget;
    private final List<Page> pages = new ArrayList<>();
    private int hand;
    private volatile long usedBytes;

    MetadataCache(MetadataBudget budget) {
        this.budget = budget;
    }

    /** Takes a page in, letting others go if there is no room. */
    public void add(Page page) {
        Invariant.check(page.index < 0, "a page is taken in once");
        page.index = pages.size();
        page.used = true;
        pages.add(page);
        count(page.bytes);
        if (budget.isExceeded()) {
            makeRoom(page);
        }
    }

    private void makeRoom(Page newest) {
        while (budget.isExceeded() && evictOne(newest)) {
            // One after the other, until there is room or none is left that can go.
        }
        if (budget.isExceeded() && usedBytes <= budget.shareBytes()) {
            budget.askOthers(this);
        }
    }

    /** Lets go what is more than the lane's share, while there is too little room. */
    void trim() {
        while (budget.isExceeded() && usedBytes > budget.shareBytes() && evictOne(null)) {
            // As above.
        }
    }

    private boolean evictOne(Page except) {
        int most = pages.size() > LEAST_PAGES ? 2 * pages.size() : 0;
        for (int tries = most; tries > 0; tries--) {
            hand = hand + 1 < pages.size() ? hand + 1 : 0;
            Page page = pages.get(hand);
            if (page != except && page.isEvictable()) {
                if (!page.used) {
                    remove(page);
                    page.evicted();
                    return true;
                }
                page.used = false;
            }
        }
        return false;
    }

    /** Takes a page out whose owner does not need it any more; does nothing when it is out. */
    public void remove(Page page) {
        if (page.index < 0) {
            return;
        }
        Page last = pages.removeLast();
        if (last != page) {
            pages.set(page.index, last);
            last.index = page.index;
        }
        page.index = -1;
        count(-page.bytes);
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // written by one thread
    private void count(long bytes) {
        usedBytes += bytes;
        budget.add(bytes);
    }

    /** How much memory the pages take, in bytes. Any thread. */
    public long usedBytes() {
        return usedBytes;
    }
}
