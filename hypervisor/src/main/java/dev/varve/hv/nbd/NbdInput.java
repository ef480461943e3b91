// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.BufferPool;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * Bytes that have come and are not taken yet. They lie in a small memory of its own, or in a larger
 * one that is lent while there is much to take.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class NbdInput {
    private final MemorySegment small;
    private final ByteBuffer smallBytes;
    private final LentMemory lent = new LentMemory();
    private MemorySegment memory;
    private ByteBuffer bytes;
    private int start;
    private int end;

    /**
     * @param small the memory of its own, or null for none
     */
    NbdInput(MemorySegment small) {
        this.small = small;
        smallBytes = small == null ? null : small.asByteBuffer();
        memory = small;
        bytes = smallBytes;
    }

    /** Where {@link #start} counts from. */
    MemorySegment memory() {
        return memory;
    }

    int start() {
        return start;
    }

    int available() {
        return end - start;
    }

    /** How many bytes can be added. */
    int room() {
        return memory == null ? 0 : (int) memory.byteSize() - end;
    }

    /** Where bytes are added. */
    long endAddress() {
        return memory.address() + end;
    }

    boolean isLarge() {
        return lent.memory() != null;
    }

    void added(int count) {
        end += count;
    }

    void taken(int count) {
        start += count;
    }

    /** What there is, to read; its position is no part of this object. */
    ByteBuffer toRead() {
        return bytes.clear().position(start).limit(end);
    }

    /** The room, to be filled; tell {@link #added} how far. */
    ByteBuffer toFill() {
        return bytes.clear().position(end);
    }

    /** Makes all room that there is one piece at the end. */
    void compact() {
        if (start > 0) {
            MemorySegment.copy(memory, start, memory, 0, available());
            end -= start;
            start = 0;
        }
    }

    /** Goes to a larger memory if there is some to spare. */
    void tryGrow(BufferPool pool, int largeBytes) {
        if (!isLarge() && lent.tryTake(pool, largeBytes)) {
            use(lent.memory());
        }
    }

    /** Goes to a larger memory in any case. */
    void grow(BufferPool pool, int largeBytes) {
        if (!isLarge()) {
            use(lent.take(pool, largeBytes));
        }
    }

    private void use(MemorySegment larger) {
        int there = available();
        if (there > 0) {
            MemorySegment.copy(memory, start, larger, 0, there);
        }
        memory = larger;
        bytes = larger.asByteBuffer();
        start = 0;
        end = there;
    }

    /** Gives the larger memory back when nothing is in it; nothing may be in flight into it. */
    void shrink() {
        if (isLarge() && start == end) {
            giveBack();
        }
    }

    /** Gives the larger memory back with all that is in it. */
    void giveBack() {
        lent.giveBack();
        memory = small;
        bytes = smallBytes;
        start = 0;
        end = 0;
    }
}
