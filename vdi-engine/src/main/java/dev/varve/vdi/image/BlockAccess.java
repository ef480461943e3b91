// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

/**
 * A volume for code that may wait: opening, checking, making and closing images.
 *
 * <p>Failures are thrown as {@link dev.varve.vdi.StorageException}.
 *
 * <p><b>Threads:</b> control threads; never a lane's.
 */
public interface BlockAccess {
    /** The size of the volume in bytes. */
    long sizeBytes();

    /** Reads; offset and length are multiples of 512. */
    byte[] read(long offset, int length);

    /** Writes; offset and length are multiples of 512. Grows the volume if need be. */
    void write(long offset, byte[] data);

    /** Makes a range read as zero; offset and length are multiples of 512. */
    void zero(long offset, long length);

    /** Makes everything durable that was written. */
    void flush();

    /** Makes the volume at least so large; new space reads as zero. */
    void grow(long sizeBytes);

    /** Cuts the volume off, where the store can do that. */
    void shrink(long sizeBytes);
}
