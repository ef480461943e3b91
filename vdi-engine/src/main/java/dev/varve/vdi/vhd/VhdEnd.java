// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

/**
 * How far blocks of an open image may reach, and how its volume gets larger.
 *
 * <p>The last sector of a volume is the footer's. A volume that has grown has another last sector,
 * and the former one may become a part of a block.
 *
 * <p><b>Write order</b> of growing, and what a crash after each step leaves:
 *
 * <table>
 * <caption>steps</caption>
 * <tr><th>step</th><th>after a crash</th></tr>
 * <tr><td>(1) The volume is grown. Blocks go on to get places that end before the former last
 * sector.</td><td>an image whose last sector is zero: it is <i>unclean</i></td></tr>
 * <tr><td>(2) The new last sector is written as zeros, which also takes its space, so that the image
 * can be closed with a footer there however full the store is by then.</td><td>the same</td></tr>
 * <tr><td>(3) Blocks may reach up to the new last sector. What one of them covers of what was there
 * when the image was opened, a footer among it, is made zero before it is given out.</td><td>an
 * unclean image, whose blocks that nothing names are cut off</td></tr>
 * </table>
 *
 * <p>The volume is grown when somebody waits for room, or ahead of that, when there is less than
 * the store {@linkplain dev.varve.vdi.store.StoreVolume#growAheadBytes wants}: by so much that
 * there would be twice as much, of which one half may be used while it grows and the other until it
 * has to grow again. When the store has no room for what is only wanted, it is asked again after a
 * quarter of the room has been used, or when somebody waits.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class VhdEnd {
    /** Told how an attempt ended that somebody waited for, or that it succeeded. */
    @FunctionalInterface
    interface Listener {
        /** With OK there is more room. */
        void ended(IoStatus status);
    }

    private static final int SECTOR = VhdFooter.BYTES;
    private static final int TRIES = 4;

    private final LayerIo io;
    private final Listener listener;
    private final BlockCompletion reserved = this::reserved;

    /** Blocks end a sector before this, in bytes. */
    private long limit;

    /** The limit that whoever waits needs; 0 when nobody does. */
    private long needed;

    /** What the store was asked for last, and what was in use or needed then. */
    private long asked;

    private long askedFrom;

    /** What the limit becomes when there is room for a footer before it. */
    private long reserving;

    private boolean extending;

    /** No room is asked for ahead before blocks reach so far. */
    private long notBefore;

    private boolean resting;
    private Runnable rested;

    /**
     * @param volumeBytes the size of the volume when the image was read
     */
    VhdEnd(LayerIo io, long volumeBytes, Listener listener) {
        this.io = io;
        this.limit = volumeBytes;
        this.listener = listener;
    }

    /** Whether a block may end there. */
    boolean reaches(long blockEnd) {
        return blockEnd + SECTOR <= limit;
    }

    /**
     * Somebody waits for a block that ends there.
     *
     * @param mayFollow how many bytes of blocks may follow it
     */
    void extend(long blockEnd, long mayFollow) {
        needed = Math.max(needed, blockEnd + SECTOR);
        if (!extending) {
            long ahead = blockEnd < notBefore ? 0 : wantedAhead(mayFollow);
            ask(needed, needed + twice(ahead, mayFollow));
        }
    }

    /**
     * Begins to grow if there should be more room than there is; nobody waits for that.
     *
     * @param usedEnd where what is in use ends
     * @param mayFollow how many bytes of blocks may follow it
     */
    void extendAhead(long usedEnd, long mayFollow) {
        long ahead = wantedAhead(mayFollow);
        if (!extending && !resting && usedEnd >= notBefore && !reaches(usedEnd + ahead)) {
            ask(usedEnd, usedEnd + twice(ahead, mayFollow) + SECTOR);
        }
    }

    private long wantedAhead(long mayFollow) {
        return Math.min(io.host().growAheadBytes(), mayFollow);
    }

    private static long twice(long ahead, long mayFollow) {
        return Math.min(2 * ahead, mayFollow);
    }

    private void ask(long from, long bytes) {
        extending = true;
        askedFrom = from;
        asked = bytes;
        if (volumeBytes() >= needed && volumeBytes() > limit) {
            reserve();
        } else {
            io.host().grow(bytes, this::grown);
        }
    }

    private long volumeBytes() {
        return io.host().device().geometry().sizeBytes() / SECTOR * SECTOR;
    }

    private void grown(IoStatus status) {
        if (status != IoStatus.OK) {
            failed(status);
        } else if (volumeBytes() < asked) {
            failed(IoStatus.IO_ERROR); // it says that it has grown, and has not
        } else {
            reserve();
        }
    }

    private void reserve() {
        reserving = volumeBytes();
        io.writeZeros(reserving - SECTOR, SECTOR, null, reserved);
    }

    private void reserved(BlockRequest write) {
        if (io.defers(reserved, write)) {
            return;
        }
        IoStatus status = write.status;
        io.giveBack(write);
        if (status != IoStatus.OK) {
            failed(status);
            return;
        }
        limit = reserving;
        if (limit < needed) {
            ask(needed, needed); // somebody came to wait meanwhile who needs more
        } else {
            end(IoStatus.OK);
        }
    }

    /** Where there is not all the room that is wanted, there may be what is needed. */
    private void failed(IoStatus status) {
        notBefore = askedFrom + (asked - askedFrom) / TRIES;
        if (needed > 0 && needed < asked) {
            ask(needed, needed);
        } else if (needed > 0) {
            end(status);
        } else {
            extending = false;
            tellRested();
        }
    }

    private void end(IoStatus status) {
        extending = false;
        needed = 0;
        listener.ended(status);
        tellRested();
    }

    /**
     * Grows no more ahead until {@link #goOn}.
     *
     * @param whenAtRest run, perhaps at once, when the volume is not being grown any more
     */
    void rest(Runnable whenAtRest) {
        resting = true;
        rested = whenAtRest;
        tellRested();
    }

    /** Grows ahead again. */
    void goOn() {
        resting = false;
    }

    private void tellRested() {
        if (!extending && rested != null) {
            Runnable told = rested;
            rested = null;
            told.run();
        }
    }
}
