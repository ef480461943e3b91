// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.image.LayerHost;

/**
 * Requests for the metadata of an image, as its parts make them.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class LayerIo {
    private LayerHost host;

    /**
     * Somebody is asking the layer. A device may complete a request while it is being submitted;
     * who asks has to get the answer before anything goes on because of it.
     */
    private boolean asked;

    void bind(LayerHost newHost) {
        host = newHost;
    }

    LayerHost host() {
        return host;
    }

    void beginAsk() {
        asked = true;
    }

    void endAsk() {
        asked = false;
    }

    /** Puts a completion off while somebody is asking; true when it did. */
    boolean defers(BlockCompletion completion, BlockRequest request) {
        if (asked) {
            host.context().atEndOfTurn(() -> completion.completed(request));
        }
        return asked;
    }

    void read(long offset, int length, Object owner, BlockCompletion completion) {
        submit(withMemory(BlockOp.READ, offset, length), owner, completion);
    }

    void writeZeros(long offset, int length, Object owner, BlockCompletion completion) {
        BlockRequest write = withMemory(BlockOp.WRITE, offset, length);
        write.zero(0, length);
        submit(write, owner, completion);
    }

    /** Writes zeros, and ones in a part of them. */
    void writeOnes(
            long offset,
            int length,
            int onesFrom,
            int onesLength,
            Object owner,
            BlockCompletion completion) {
        BlockRequest write = withMemory(BlockOp.WRITE, offset, length);
        write.zero(0, length);
        write.buffer.asSlice(write.bufferOffset + onesFrom, onesLength).fill((byte) 0xFF);
        submit(write, owner, completion);
    }

    private BlockRequest withMemory(BlockOp op, long offset, int length) {
        BlockRequest request = host.context().acquire().set(op, 0, offset, length);
        return request.data(host.context().buffers().acquireNow(length), BufferPool.HEADROOM_BYTES);
    }

    /**
     * @param flags {@link BlockRequest#NO_HOLE} where the space must stay
     */
    void makeZero(int flags, long offset, long length, Object owner, BlockCompletion completion) {
        submit(
                host.context().acquire().set(BlockOp.WRITE_ZEROES, flags, offset, length),
                owner,
                completion);
    }

    void flush(BlockCompletion completion) {
        submit(host.context().acquire().set(BlockOp.FLUSH, 0, 0, 0), null, completion);
    }

    private void submit(BlockRequest request, Object owner, BlockCompletion completion) {
        request.owner = owner;
        request.push(completion);
        host.device().submit(request);
    }

    /** Takes a request and its memory back. */
    void giveBack(BlockRequest request) {
        if (request.buffer != null) {
            host.context().buffers().release(request.buffer);
        }
        host.context().release(request);
    }
}
