// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;

import java.lang.foreign.MemorySegment;

/** A client's request and its answer: a slot of a connection that is used again and again. */
final class NbdRequest {
    /** How many runs a block status answer can have. */
    static final int EXTENTS = 512;

    /** Room for the largest answer that does not carry data. */
    static final int SCRATCH_BYTES = Nbd.CHUNK_HEADER_BYTES + 4 + 8 * EXTENTS;

    final MemorySegment scratch;

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

    NbdRequest(MemorySegment scratch) {
        this.scratch = scratch;
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /** The list for an answer of at most so many runs. */
    ExtentList extents(int runs) {
        if (extents == null) {
            extents = new ExtentList(EXTENTS);
        }
        extents.clear(runs);
        return extents;
    }
}
