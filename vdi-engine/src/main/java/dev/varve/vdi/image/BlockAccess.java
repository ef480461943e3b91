// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.Invariant;

import java.util.function.Consumer;

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

    /** How large the volume would be after it was cut off there, in bytes. */
    default long sizeAfterShrink(long sizeBytes) {
        return Math.min(sizeBytes, sizeBytes());
    }

    /**
     * Has something done where the volume's requests are made, a lane if it is on one, and waits
     * until it is over.
     *
     * @param work gets what it has to run when it is over
     */
    default void await(Consumer<Runnable> work) {
        boolean[] over = new boolean[1];
        work.accept(() -> over[0] = true);
        Invariant.check(over[0], "work without a lane is over at once");
    }
}
