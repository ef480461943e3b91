// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import dev.varve.vdi.ErrorCode;

import java.util.concurrent.Semaphore;

/**
 * How many transfers there may be at once: each has about 8 MiB of buffers for as long as its peer
 * takes.
 *
 * <p><b>Threads:</b> any.
 */
public final class TransferLimit {
    private static final int MOST = 32;

    private final Semaphore free = new Semaphore(MOST);

    /** Room for a transfer, until it is closed. */
    interface Place extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * Takes room for one.
     *
     * @throws dev.varve.vdi.StorageException TOO_MANY_PENDING_TASKS
     */
    Place take() {
        if (!free.tryAcquire()) {
            throw ErrorCode.TOO_MANY_PENDING_TASKS.with();
        }
        return free::release;
    }
}
