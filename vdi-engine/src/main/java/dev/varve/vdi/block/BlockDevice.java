// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import java.util.Set;

/**
 * Something that stores blocks.
 *
 * <p>A request completes exactly once, with an {@link IoStatus}; a device never throws for trouble
 * with the medium. It may complete before {@link #submit} returns. Requests that overlap while in
 * flight have no order; whoever needs one waits for the first.
 *
 * <p><b>Threads:</b> {@link #submit} is called on the thread of the lane that the request belongs
 * to. Geometry and features may be read anywhere.
 *
 * <p><b>Durability:</b> a completed write is durable once a flush that was submitted after it has
 * completed.
 */
public interface BlockDevice extends AutoCloseable {
    /** The {@link #lossEpoch()} of a device that forgets nothing as long as the host runs. */
    long NO_LOSS = 0;

    /** Its shape now; the size may grow. */
    Geometry geometry();

    /** What it can do. */
    Set<BlockFeature> features();

    /**
     * A number that has changed when the device may have forgotten writes that had completed and
     * that no flush had made durable: the server behind it was restarted. When a request completes,
     * every loss before it was carried out shows here. Sizes are not forgotten.
     *
     * <p>{@link #NO_LOSS} for a device that only loses them together with the host.
     */
    default long lossEpoch() {
        return NO_LOSS;
    }

    /**
     * Starts a request. Its range, alignment and kind were checked by the {@link DeviceGraph} the
     * device is in.
     */
    void submit(BlockRequest request);

    /** Lets go of what the device holds. No request may be in flight. */
    @Override
    void close();
}
