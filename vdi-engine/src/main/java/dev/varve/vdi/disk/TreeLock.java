// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;

/**
 * Keeps operations that look at a tree of images and rely on what they saw apart from the moments
 * in which a merge begins and is committed. Operations run side by side; such a moment has the
 * trees for itself.
 *
 * <p><b>Threads:</b> any. Whoever has the trees for itself waits for no operation.
 */
final class TreeLock {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

    /** Runs an operation. */
    <T> T beside(Supplier<T> work) {
        lock.readLock().lock();
        try {
            return work.get();
        } finally {
            lock.readLock().unlock();
        }
    }

    /**
     * Runs something while no operation runs.
     *
     * @throws dev.varve.vdi.StorageException OTHER_OPERATION_IN_PROGRESS when one goes on for long:
     *     a storage that is stuck would keep everybody waiting
     */
    <T> T alone(Operation operation, Supplier<T> work) {
        take(operation);
        try {
            return work.get();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void take(Operation operation) {
        try {
            if (!lock.writeLock().tryLock(PATIENCE_NANOS, TimeUnit.NANOSECONDS)) {
                throw ErrorCode.OTHER_OPERATION_IN_PROGRESS.with("SR", operation.label());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.TASK_CANCELLED.with(operation.label());
        }
    }
}
