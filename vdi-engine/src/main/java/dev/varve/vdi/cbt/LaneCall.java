// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.Lane;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Waits for a lane as long as an operation may take. */
final class LaneCall {
    private static final long CHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private LaneCall() {}

    static <T> T await(Lane lane, CompletableFuture<T> done, Operation operation) {
        while (true) {
            operation.checkpoint();
            try {
                return lane.waiting().await(done, CHECK_NANOS);
            } catch (TimeoutException e) {
                // As long as the operation may take.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw ErrorCode.TASK_CANCELLED.with(operation.label());
            } catch (ExecutionException e) {
                if (e.getCause() instanceof StorageException storage) {
                    throw storage;
                }
                throw new IllegalStateException("a disk's lane failed", e.getCause());
            }
        }
    }
}
