// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;

import java.lang.foreign.MemorySegment;

/**
 * What another thread wants of a lane: a slot of the ring. The lane copies it and gives it free at
 * once.
 */
final class IoSlot {
    /** Something to run, or null when the slot holds a request. */
    Runnable task;

    BlockDevice device;
    BlockOp op;
    int flags;
    long offset;
    long length;
    MemorySegment buffer;
    long bufferOffset;
    BlockCompletion completion;

    void clear() {
        task = null;
        device = null;
        buffer = null;
        completion = null;
    }
}
