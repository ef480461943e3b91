// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.image.CommitGuard;
import dev.varve.vdi.image.CommitListener;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The log of an interval while a disk is tracked with it: bits that are noted in memory, and bits
 * that are durable.
 *
 * <p>A commit copies the pages that have changed, writes the copies and flushes; then the bits in
 * them are durable. One commit at a time; what is asked for while one is running is served together
 * by the next. A page that is torn by a loss of power is harmless, since bits are only ever added
 * and the header is within one sector.
 *
 * <p>A failure stays: nobody knows what is on storage until it is read again, so whoever needs a
 * bit that is not durable fails from then on.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class ActiveLog implements CommitGuard {
    private static final int PAGE = ChangeLog.PAGE_BYTES;
    private static final int MOST_PAGES = (1 << 20) / PAGE;
    private static final int HEADER_WORDS = ChangeLogHeader.BYTES / Long.BYTES;
    private static final int PAGE_WORDS = PAGE / Long.BYTES;
    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final OpenVolume volume;
    private final BlockCompletion written = this::written;
    private final BlockCompletion flushed = this::flushed;
    private final Runnable beginLater = this::beginLater;
    private final List<MemorySegment> copies = new ArrayList<>();
    private final List<BlockRequest> writes = new ArrayList<>();
    private ChangeLogHeader header;
    private ChangedBlocks noted;
    private long[] durable;

    /** One bit for each page that differs from what is on storage. */
    private long[] dirty;

    private List<CommitListener> current = new ArrayList<>();
    private List<CommitListener> following = new ArrayList<>();
    private IoStatus failure = IoStatus.OK;
    private boolean isDirty;
    private boolean running;
    private boolean scheduled;
    private int pending;

    /**
     * @param volume the log's, on the disk's lane
     * @param log what is durable in it
     */
    ActiveLog(OpenVolume volume, ChangeLog log) {
        this.volume = volume;
        header = log.header();
        noted = log.blocks();
        durable = noted.words().clone();
        dirty = new long[dirtyWords(header.sizeBytes())];
    }

    private static int dirtyWords(long sizeBytes) {
        long pages = ChangeLog.volumeBytes(sizeBytes) / PAGE;
        return Math.toIntExact((pages + Long.SIZE - 1) / Long.SIZE);
    }

    OpenVolume volume() {
        return volume;
    }

    ChangeLogHeader header() {
        return header;
    }

    IoStatus failure() {
        return failure;
    }

    /** What is noted now, durable or not. */
    ChangedBlocks copy() {
        return new ChangedBlocks(noted.sizeBytes(), noted.words().clone());
    }

    // ---- noting

    /**
     * Notes that a range is going to change. What is behind the end of the log counts as changed
     * anyway.
     *
     * @return whether that is durable already
     */
    boolean note(long offset, long length) {
        long first = offset >>> ChangedBlocks.BLOCK_SHIFT;
        long end = Math.min(offset + length, noted.sizeBytes());
        long last = ChangedBlocks.blocks(end) - 1;
        boolean all = true;
        for (int word = (int) (first >>> 6); word <= last >>> 6; word++) {
            long mask = ChangedBlocks.mask(word, first, last);
            if ((durable[word] & mask) != mask) {
                all = false;
                note(word, mask);
            }
        }
        return all;
    }

    private void note(int word, long mask) {
        long[] words = noted.words();
        if ((words[word] & mask) != mask) {
            words[word] |= mask;
            markDirty((word + HEADER_WORDS) / PAGE_WORDS);
        }
    }

    private void markDirty(int page) {
        dirty[page >>> 6] |= 1L << page;
        isDirty = true;
    }

    /** Notes all blocks of a set, as far as the log goes. */
    void noteAll(ChangedBlocks blocks) {
        long[] words = blocks.resized(noted.sizeBytes()).words();
        for (int word = 0; word < words.length; word++) {
            note(word, words[word]);
        }
    }

    /** Changes the header; durable with the next commit, and within one sector. */
    void header(ChangeLogHeader newHeader) {
        Invariant.check(
                newHeader.sizeBytes() <= noted.sizeBytes(), "a log has a bit for each block");
        header = newHeader;
        markDirty(0);
    }

    /**
     * Has room for a larger disk, whose new part has changed. The volume has it already, the header
     * does not speak of it before it is told to.
     */
    void extend(long newSizeBytes) {
        ChangedBlocks larger = new ChangedBlocks(newSizeBytes);
        larger.addFrom(noted.sizeBytes());
        noted = noted.resized(newSizeBytes);
        durable = Arrays.copyOf(durable, noted.words().length);
        dirty = Arrays.copyOf(dirty, dirtyWords(newSizeBytes));
        noteAll(larger);
    }

    // ---- commits

    @Override
    public void beforeCommit(CommitListener then) {
        if (!isDirty && !running) {
            then.committed(failure);
        } else {
            following.add(then);
            beginIfIdle();
        }
    }

    /** As {@link #beforeCommit}, with everything that is noted until the end of this turn. */
    void commitSoon(CommitListener then) {
        following.add(then);
        if (!scheduled) {
            scheduled = true;
            lane().atEndOfTurn(beginLater);
        }
    }

    private Lane lane() {
        return volume.lane();
    }

    private void beginLater() {
        scheduled = false;
        beginIfIdle();
    }

    private void beginIfIdle() {
        if (!running && !following.isEmpty()) {
            List<CommitListener> swap = current;
            current = following;
            following = swap;
            running = true;
            if (failure != IoStatus.OK || !isDirty) {
                end(failure);
            } else {
                writeDirty();
            }
        }
    }

    private void writeDirty() {
        isDirty = false;
        pending = 1;
        for (int page = nextDirty(0); page >= 0; page = nextDirty(page)) {
            int count = 1;
            while (count < MOST_PAGES && nextDirty(page + count) == page + count) {
                count++;
            }
            writes.add(copy(page, count));
            page += count;
        }
        Arrays.fill(dirty, 0);
        boolean single = writes.size() == 1;
        for (int i = 0; i < writes.size(); i++) {
            BlockRequest write = writes.get(i);
            write.flags = single ? BlockRequest.FUA : 0;
            pending++;
            volume.device().submit(write);
        }
        part();
    }

    private int nextDirty(int from) {
        int index = from >>> 6;
        if (index >= dirty.length) {
            return -1;
        }
        long word = dirty[index] & -1L << from;
        while (word == 0 && ++index < dirty.length) {
            word = dirty[index];
        }
        return word == 0 ? -1 : (index << 6) + Long.numberOfTrailingZeros(word);
    }

    private BlockRequest copy(int page, int count) {
        int bytes = count * PAGE;
        MemorySegment copy = lane().buffers().acquireNow(bytes);
        copies.add(copy);
        long at = BufferPool.HEADROOM_BYTES;
        copy.asSlice(at, bytes).fill((byte) 0);
        if (page == 0) {
            MemorySegment.copy(
                    header.encode(), 0, copy, ValueLayout.JAVA_BYTE, at, ChangeLogHeader.BYTES);
        }
        long[] words = noted.words();
        int from = firstWord(page);
        int to = Math.min(words.length, firstWord(page + count));
        long position = at + Math.floorMod(from + HEADER_WORDS, PAGE_WORDS) * (long) Long.BYTES;
        for (int word = from; word < to; word++) {
            copy.set(WORD, position + (word - from) * (long) Long.BYTES, words[word]);
        }
        BlockRequest write = lane().acquire();
        write.set(BlockOp.WRITE, 0, (long) page * PAGE, bytes);
        return write.data(copy, at).push(written);
    }

    private static int firstWord(int page) {
        return Math.max(0, page * PAGE_WORDS - HEADER_WORDS);
    }

    private void written(BlockRequest write) {
        if (write.status != IoStatus.OK) {
            fail(write.status);
        }
        part();
    }

    private void part() {
        if (--pending > 0) {
            return;
        }
        if (failure != IoStatus.OK || writes.size() == 1) {
            end(failure);
        } else {
            volume.device().submit(lane().acquire().set(BlockOp.FLUSH, 0, 0, 0).push(flushed));
        }
    }

    private void flushed(BlockRequest flush) {
        if (flush.status != IoStatus.OK) {
            fail(flush.status);
        }
        lane().release(flush);
        end(failure);
    }

    private void fail(IoStatus status) {
        failure = failure == IoStatus.OK ? status : failure;
    }

    private void end(IoStatus status) {
        for (int i = 0; i < writes.size(); i++) {
            BlockRequest write = writes.get(i);
            if (status == IoStatus.OK) {
                becameDurable(write);
            }
            lane().release(write);
        }
        writes.clear();
        for (int i = 0; i < copies.size(); i++) {
            lane().buffers().release(copies.get(i));
        }
        copies.clear();
        running = false;
        List<CommitListener> done = current;
        current = new ArrayList<>();
        done.forEach(listener -> listener.committed(status));
        beginIfIdle();
    }

    private void becameDurable(BlockRequest write) {
        int page = (int) (write.offset / PAGE);
        int from = firstWord(page);
        int to = Math.min(durable.length, firstWord(page + (int) (write.length / PAGE)));
        long position =
                write.bufferOffset
                        + Math.floorMod(from + HEADER_WORDS, PAGE_WORDS) * (long) Long.BYTES;
        for (int word = from; word < to; word++) {
            durable[word] |= write.buffer.get(WORD, position + (word - from) * (long) Long.BYTES);
        }
    }
}
