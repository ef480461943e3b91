// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.vdi.block.BlockDevice;

import java.util.Optional;

/**
 * A block device that holds a whole repository, for two kinds of users: code of the repository,
 * which may wait, calls the methods here; disks go through {@link #device()} on their lanes. Both
 * see the same bytes, and what one has written and been told of the other reads.
 *
 * <p>Offsets and lengths of the methods here are in bytes and need no alignment unless said so.
 *
 * <p><b>Threads:</b> any; calls block on the medium, under a deadline of the medium's own.
 *
 * <p><b>Durability:</b> what was written is durable when {@link #flush()} has returned.
 *
 * <p><b>Errors:</b> a {@link dev.varve.vdi.StorageException}: SR_UNAVAILABLE when the device cannot
 * be reached, SR_NOT_WRITABLE when it may only be read, SR_IO_ERROR for everything else.
 */
public interface BlockMedium extends AutoCloseable {
    /** What it is, for messages: a path, or a target and a LUN. */
    String name();

    /** How large it is now, in bytes. */
    long sizeBytes();

    /** How large its logical blocks are, in bytes: 512 or 4096. */
    int blockBytes();

    /** Whether it can be written. */
    boolean isWritable();

    /** Reads bytes from the device itself, not from a cache of the host. */
    byte[] read(long offset, int length);

    /**
     * Writes bytes. Where they begin or end within a block, the rest of the block is read and
     * written back, so only one writer at a time may use a block.
     */
    void write(long offset, byte[] data);

    /** Makes all writes that have returned durable. */
    void flush();

    /** Makes a range of whole blocks read as zero, without sending zeros where that is possible. */
    void zero(long offset, long length);

    /**
     * Tells the device that nobody needs a range of whole blocks any more. What it reads as
     * afterwards is open. Does nothing where the device cannot do this.
     */
    void discard(long offset, long length);

    /** Whether {@link #discard} does something. */
    boolean canDiscard();

    /**
     * The same bytes for disks. Its users do not close it; it lives as long as the medium. Its
     * {@link BlockDevice#lossEpoch()} and its geometry are those of the medium.
     */
    BlockDevice device();

    /** The means by which hosts that share the device keep each other out, where it has some. */
    Optional<Reservations> reservations();

    /**
     * Fails with SR_UNAVAILABLE when the device cannot be reached now. A device that failed and
     * passes later has healed.
     */
    void check();

    /** Lets go of the device. No request may be in flight. */
    @Override
    void close();
}
