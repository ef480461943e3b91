// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.Lane;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes pages of a device all the time, several at once, each with its number and how often it was
 * written, flushes now and then, and knows in the end what each page must hold.
 */
final class LabLoad {
    private static final int PAGE_BYTES = 4096;
    private static final int AT_ONCE = 8;
    private static final int WRITES_PER_FLUSH = 64;

    private final Lane lane;
    private final BlockDevice device;
    private final int pages;
    private final long[] written;
    private final MemorySegment memory;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final AtomicLong done = new AtomicLong();
    private volatile IoStatus failure = IoStatus.OK;
    private volatile boolean stopped;

    // Only the lane's from here on.
    private int nextPage;
    private int running;

    LabLoad(Lane lane, BlockDevice device, int pages) {
        this.lane = lane;
        this.device = device;
        this.pages = pages;
        this.written = new long[pages];
        this.memory = Arena.global().allocate((long) AT_ONCE * PAGE_BYTES, PAGE_BYTES);
    }

    void start() {
        lane.execute(
                () -> {
                    for (int slot = 0; slot < AT_ONCE; slot++) {
                        running++;
                        write(lane.acquire(), slot);
                    }
                });
    }

    /** How many writes have ended. */
    long done() {
        return done.get();
    }

    /** How the first write or flush failed; OK as long as none has. */
    IoStatus failure() {
        return failure;
    }

    private void write(BlockRequest request, int slot) {
        if (stopped || failure != IoStatus.OK) {
            lane.release(request);
            if (--running == 0) {
                ended.complete(null);
            }
            return;
        }
        // Each slot has pages of its own, so none is under way twice.
        int page = slot + AT_ONCE * (nextPage++ % (pages / AT_ONCE));
        long offset = (long) page * PAGE_BYTES;
        fill(slot, page, ++written[page]);
        request.set(BlockOp.WRITE, 0, offset, PAGE_BYTES).data(memory, (long) slot * PAGE_BYTES);
        request.push(end -> written(end, slot));
        device.submit(request);
    }

    private void fill(int slot, long page, long version) {
        MemorySegment data = memory.asSlice((long) slot * PAGE_BYTES, PAGE_BYTES);
        for (int at = 0; at < PAGE_BYTES; at += 16) {
            data.set(ValueLayout.JAVA_LONG, at, page);
            data.set(ValueLayout.JAVA_LONG, at + 8, version);
        }
    }

    private void written(BlockRequest request, int slot) {
        if (request.status != IoStatus.OK) {
            failure = request.status;
        }
        if (done.incrementAndGet() % WRITES_PER_FLUSH == 0) {
            request.set(BlockOp.FLUSH, 0, 0, 0).push(end -> flushed(end, slot));
            device.submit(request);
        } else {
            // Through the lane, so that writes that end at once do not pile up on the stack.
            lane.execute(() -> write(request, slot));
        }
    }

    private void flushed(BlockRequest request, int slot) {
        if (request.status != IoStatus.OK) {
            failure = request.status;
        }
        lane.execute(() -> write(request, slot));
    }

    /** Ends it; how the first failure looked. */
    IoStatus stop() {
        stopped = true;
        lane.waiting().join(ended);
        return failure;
    }

    /** The first page that does not hold what was written to it last, or -1. */
    int firstWrong(java.util.function.LongFunction<byte[]> readPage) {
        for (int page = 0; page < pages; page++) {
            if (written[page] == 0) {
                continue;
            }
            MemorySegment data = MemorySegment.ofArray(readPage.apply((long) page * PAGE_BYTES));
            for (int at = 0; at < PAGE_BYTES; at += 16) {
                boolean right =
                        data.get(ValueLayout.JAVA_LONG_UNALIGNED, at) == page
                                && data.get(ValueLayout.JAVA_LONG_UNALIGNED, at + 8)
                                        == written[page];
                if (!right) {
                    return page;
                }
            }
        }
        return -1;
    }
}
