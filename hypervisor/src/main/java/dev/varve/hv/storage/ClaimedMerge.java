// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.Merged;
import dev.varve.vdi.disk.RunningMerge;
import dev.varve.vdi.engine.ImageMerge;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/** A merge for whose time disks are claimed. */
final class ClaimedMerge implements RunningMerge {
    private final RunningMerge merge;
    private final Runnable release;
    private final AtomicBoolean released = new AtomicBoolean();

    /**
     * @param release gives the claims up; called once
     */
    ClaimedMerge(RunningMerge merge, Runnable release) {
        this.merge = merge;
        this.release = release;
    }

    @Override
    public Merge merge() {
        return merge.merge();
    }

    @Override
    public ImageMerge.Direction direction() {
        return merge.direction();
    }

    @Override
    public long copiedBytes() {
        return merge.copiedBytes();
    }

    @Override
    public boolean isDone() {
        return merge.isDone();
    }

    @Override
    public boolean await(Operation operation) {
        boolean copied = false;
        try {
            copied = merge.await(operation);
            return copied;
        } finally {
            if (!copied) {
                releaseOnce();
            }
        }
    }

    @Override
    public Optional<Merged> finish(Operation operation) {
        try {
            return merge.finish(operation);
        } finally {
            releaseOnce();
        }
    }

    @Override
    public void cancel() {
        try {
            merge.cancel();
        } finally {
            releaseOnce();
        }
    }

    private void releaseOnce() {
        if (released.compareAndSet(false, true)) {
            release.run();
        }
    }
}
