// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

/**
 * Whole blocks to and from a device, as the system does it: each call blocks, and returns a count
 * of bytes or nothing, or {@code -errno}.
 *
 * <p><b>Threads:</b> any.
 */
public interface BlockTransfers {
    /** Reads into native memory; may read less than asked. */
    long read(long address, long length, long offset);

    /** Writes from native memory; may write less than asked. */
    long write(long address, long length, long offset);

    /** Makes all writes that have returned durable. */
    int flush();

    /** Zeroes or frees a range, by the modes of {@code fallocate}. */
    int allocate(int mode, long offset, long length);

    /** How large the device is now. */
    long size();
}
