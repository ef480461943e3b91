// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * The room in the volume of an open image: gives new blocks their places and takes back those that
 * were given up.
 *
 * <p>A place that was given up goes through four stages before another block gets it: its entry of
 * the table is cleared on the device by a commit; requests that were in flight then end; it is made
 * zero, which also gives its space back to the store; then it is free. What a crash leaves in
 * between is room that nothing names, which the next opening finds as a gap.
 *
 * <p><b>Write order</b> for a new place: (a) the volume is grown if need be, as {@link VhdEnd}
 * tells, (b) what is not known to be zero in the place is made zero, (c) the bitmap is written,
 * which also makes sure that there is room for it: as zeros, or as ones where {@link
 * Listener#isCalledFull} says so.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class VhdSpace {
    /** Told how it ended that a block was to get a place. */
    interface Listener {
        /**
         * Whether the batmap on the device may say that the block is fully written. Then its bitmap
         * has to say so from the start, which in an image without parent is as good: what was not
         * written is zero.
         */
        boolean isCalledFull(int block);

        /** How many blocks may still come to need a place. */
        int blocksWithoutPlace();

        /** The block has its place, with its bitmap on the device. */
        void placed(int block, long sector);
    }

    /** A block that is getting its place. */
    private static final class Allocation {
        final int block;
        final TablePage page;
        long sector = -1;
        boolean atEnd;
        BlockRequest waitingFirst;

        Allocation(int block, TablePage page) {
            this.block = block;
            this.page = page;
        }
    }

    private static final int SECTOR = 512;
    private static final int PAGE_SECTORS = VhdTable.PAGE_SECTORS;

    /** Entries of the table have 32 bits, and the last values mean something else. */
    private static final long LAST_SECTOR = 0xFFFF_FF00L;

    private final LayerIo io;
    private final Listener listener;
    private final int bitmapSectors;
    private final int blockSectors;
    private final long fixedEnd;
    private final boolean aligned;

    /** From here on the volume is known to read as zero, in bytes. */
    private final long zeroFrom;

    /** Runs of sectors between blocks, found at opening; what they hold is not known. */
    private final ArrayDeque<long[]> gaps;

    private final List<Allocation> allocations = new ArrayList<>();
    private final BlockCompletion placeZeroed = this::placeZeroed;
    private final BlockCompletion bitmapZeroed = this::bitmapZeroed;
    private final BlockCompletion freedZeroed = this::freedZeroed;

    private List<Integer> givenUp = new ArrayList<>();
    private List<Integer> givenUpInCommit = new ArrayList<>();
    private List<Integer> givenUpDurably = new ArrayList<>();
    private final ArrayDeque<List<Integer>> waitingForReaders = new ArrayDeque<>();

    /** Places that read as zero and that nothing names. */
    private final ArrayDeque<Integer> free = new ArrayDeque<>();

    /** The first sector behind everything that is in use or was given out. */
    private long nextFree;

    /** The first sector behind everything that ever was in use. */
    private long usedEnd;

    private final VhdEnd end;

    /**
     * @param volumeBytes the size of the volume when the image was read
     */
    VhdSpace(LayerIo io, VhdHeader header, VhdTable table, long volumeBytes, Listener listener) {
        this.io = io;
        this.listener = listener;
        this.bitmapSectors = header.bitmapBytes() / SECTOR;
        this.blockSectors = header.blockBytes() / SECTOR;
        this.fixedEnd = table.fixedEnd();
        this.aligned = table.aligned();
        this.zeroFrom = volumeBytes;
        this.end = new VhdEnd(io, volumeBytes, this::goOn);
        this.gaps = new ArrayDeque<>(table.gaps());
        this.nextFree = table.dataEnd() / SECTOR;
        this.usedEnd = nextFree;
    }

    /** Where what is in use ends, in bytes. */
    long usedEnd() {
        return usedEnd * SECTOR;
    }

    // ---- places for new blocks

    /** Has a block get a place; the request is woken when it has, or when it cannot. */
    void allocate(int block, TablePage page, BlockRequest request) {
        Allocation allocation = null;
        for (int i = 0; i < allocations.size() && allocation == null; i++) {
            allocation = allocations.get(i).block == block ? allocations.get(i) : null;
        }
        boolean isNew = allocation == null;
        if (isNew) {
            allocation = new Allocation(block, page);
            page.pins++;
            allocations.add(allocation);
        }
        request.next = allocation.waitingFirst;
        allocation.waitingFirst = request;
        if (isNew) {
            io.beginAsk();
            place(allocation);
            io.endAsk();
        }
    }

    private void place(Allocation allocation) {
        Integer known = free.poll();
        if (known != null) {
            allocation.sector = Integer.toUnsignedLong(known);
            zeroBitmap(allocation);
        } else if (!placeInGap(allocation)) {
            placeAtEnd(allocation);
        }
    }

    private boolean placeInGap(Allocation allocation) {
        while (!gaps.isEmpty()) {
            long[] gap = gaps.peek();
            long data = roundUp(gap[0] + bitmapSectors);
            long end = gap[0] + gap[1];
            if (data + blockSectors <= end) {
                gap[0] = data + blockSectors;
                gap[1] = end - gap[0];
                allocation.sector = data - bitmapSectors;
                zeroPlace(allocation, end * SECTOR);
                return true;
            }
            gaps.poll();
        }
        return false;
    }

    /** The data behind the bitmap begins at a page. */
    private void placeAtEnd(Allocation allocation) {
        long data = roundUp(nextFree + bitmapSectors);
        if (data + blockSectors > LAST_SECTOR) {
            io.host().context().atEndOfTurn(() -> finish(allocation, IoStatus.NO_SPACE));
            return;
        }
        long blockEnd = (data + blockSectors) * SECTOR;
        if (!end.reaches(blockEnd)) {
            end.extend(blockEnd, bytesToCome());
            return;
        }
        allocation.sector = data - bitmapSectors;
        allocation.atEnd = true;
        nextFree = data + blockSectors;
        extendAhead();
        zeroPlace(allocation, zeroFrom);
    }

    private static long roundUp(long sector) {
        return (sector + PAGE_SECTORS - 1) / PAGE_SECTORS * PAGE_SECTORS;
    }

    /** Has the volume grow if it should; the image is being written. */
    void extendAhead() {
        end.extendAhead(nextFree * SECTOR, bytesToCome());
    }

    /** How much room blocks may take that have no place yet, in bytes. */
    private long bytesToCome() {
        long most = Math.max(0, LAST_SECTOR - nextFree) * SECTOR;
        return Math.min(most, listener.blocksWithoutPlace() * placeBytes());
    }

    private long placeBytes() {
        return roundUp(bitmapSectors + blockSectors) * SECTOR;
    }

    /** As {@link VhdEnd#rest}. */
    void rest(Runnable whenAtRest) {
        end.rest(whenAtRest);
    }

    /** Grows ahead again after a {@link #rest}. */
    void goOn(Runnable whenDone) {
        end.goOn();
        whenDone.run();
    }

    private void goOn(IoStatus status) {
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

    /** (b), as far as the place is not known to be zero. */
    private void zeroPlace(Allocation allocation, long unknownUntil) {
        long start = allocation.sector * SECTOR;
        long end = start + (long) (bitmapSectors + blockSectors) * SECTOR;
        long zeroEnd = Math.min(end, unknownUntil);
        if (start < zeroEnd) {
            io.makeZero(BlockRequest.NO_HOLE, start, zeroEnd - start, allocation, placeZeroed);
        } else {
            zeroBitmap(allocation);
        }
    }

    private void placeZeroed(BlockRequest zero) {
        if (io.defers(placeZeroed, zero)) {
            return;
        }
        Allocation allocation = (Allocation) zero.owner;
        IoStatus status = zero.status;
        io.giveBack(zero);
        if (status == IoStatus.OK) {
            zeroBitmap(allocation);
        } else {
            finish(allocation, status);
        }
    }

    /** (c) Writes the new bitmap, which takes the space that later commits will need. */
    private void zeroBitmap(Allocation allocation) {
        long start = bitmapStart(allocation.sector);
        int length = (int) ((allocation.sector + bitmapSectors) * SECTOR - start);
        if (listener.isCalledFull(allocation.block)) {
            int padding = length - bitmapSectors * SECTOR;
            io.writeOnes(start, length, padding, blockSectors / 8, allocation, bitmapZeroed);
        } else {
            io.writeZeros(start, length, allocation, bitmapZeroed);
        }
    }

    /** Where to begin writing a bitmap: with its whole page if nothing else lies there. */
    long bitmapStart(long sector) {
        long page = (sector + bitmapSectors - PAGE_SECTORS) * SECTOR;
        return aligned && page >= fixedEnd ? page : sector * SECTOR;
    }

    private void bitmapZeroed(BlockRequest write) {
        if (io.defers(bitmapZeroed, write)) {
            return;
        }
        Allocation allocation = (Allocation) write.owner;
        IoStatus status = write.status;
        io.giveBack(write);
        if (status == IoStatus.OK) {
            usedEnd = Math.max(usedEnd, allocation.sector + bitmapSectors + blockSectors);
            listener.placed(allocation.block, allocation.sector);
        }
        finish(allocation, status);
    }

    private void finish(Allocation allocation, IoStatus status) {
        allocations.remove(allocation);
        allocation.page.pins--;
        if (status != IoStatus.OK && allocation.atEnd) {
            long end = allocation.sector + bitmapSectors + blockSectors;
            nextFree = nextFree == end ? allocation.sector : nextFree;
        }
        BlockRequest waiting = allocation.waitingFirst;
        allocation.waitingFirst = null;
        BlockRequest.wakeAll(waiting, status);
    }

    // ---- places that were given up

    /** Takes back a place whose entry in the table has been cleared in memory. */
    void giveUp(int place) {
        givenUp.add(place);
    }

    /** A commit begins that clears the entries of all that was given up so far. */
    void commitBegins() {
        List<Integer> swap = givenUpInCommit;
        givenUpInCommit = givenUp;
        givenUp = swap;
    }

    /**
     * The commit has ended. When it failed, it may be done again with the next one; after a failure
     * for good nothing is used anew until the image is read again.
     */
    void commitEnded(boolean durable, boolean again) {
        if (durable) {
            givenUpDurably.addAll(givenUpInCommit);
        } else if (again) {
            givenUp.addAll(givenUpInCommit);
        }
        givenUpInCommit.clear();
    }

    /** Whether there are places to be retired. */
    boolean retire() {
        if (givenUpDurably.isEmpty()) {
            return false;
        }
        waitingForReaders.add(givenUpDurably);
        givenUpDurably = new ArrayList<>();
        return true;
    }

    /** Requests that were in flight when places were retired first have ended. */
    void reuseRetired() {
        for (int place : waitingForReaders.remove()) {
            long start = bitmapStart(Integer.toUnsignedLong(place));
            long end = (Integer.toUnsignedLong(place) + bitmapSectors + blockSectors) * SECTOR;
            io.makeZero(0, start, end - start, place, freedZeroed);
        }
    }

    /** A place that cannot be made zero stays unused; the next opening tries again. */
    private void freedZeroed(BlockRequest zero) {
        if (zero.status == IoStatus.OK) {
            free.add((Integer) zero.owner);
        }
        io.giveBack(zero);
    }
}
