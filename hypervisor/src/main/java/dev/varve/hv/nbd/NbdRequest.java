// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/** A client's request and its answer: a slot of a connection that is used again and again. */
final class NbdRequest {
    /** How many runs a block status answer can have. */
    static final int EXTENTS = 512;

    /** How much memory the data of a block status answer takes. */
    static final int EXTENTS_BYTES = 2 * 8 * EXTENTS + Nbd.CHUNK_HEADER_BYTES + 4;

    /** Room for the largest answer that does not carry data, and for small ones to options. */
    static final int SCRATCH_BYTES = 40;

    /** Memory for an answer without data. */
    final MemorySegment scratch;

    /** Whether the slot can be used again: it has the scratch of one. */
    final boolean reusable;

    /** The request to the disk, or null when the disk is done with it. */
    BlockRequest block;

    /** The data, or null. */
    MemorySegment buffer;

    int command;
    int flags;
    long cookie;
    long offset;
    int length;

    /** How much of a write's data has come. */
    int received;

    /** The answer: where it is and how much of it is not sent. */
    long answerAddress;

    long answerLength;

    ExtentList extents;
    NbdRequest next;

    NbdRequest(MemorySegment scratch, boolean reusable) {
        this.scratch = scratch;
        this.reusable = reusable;
    }

    /** What is not sent of the answer, to read. */
    ByteBuffer answerBytes() {
        MemorySegment memory = buffer == null ? scratch : buffer;
        if (answerAddress - scratch.address() >= 0
                && answerAddress + answerLength - scratch.address() <= scratch.byteSize()) {
            memory = scratch; // an error is answered without the data
        }
        return memory.asSlice(answerAddress - memory.address(), answerLength).asByteBuffer();
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }
}
