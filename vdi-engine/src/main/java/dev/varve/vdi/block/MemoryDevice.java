// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;

/**
 * A device in memory. It refuses requests that do not keep to its geometry, the address of the
 * memory included, so that it shows what would fail on real hardware.
 */
public final class MemoryDevice implements BlockDevice {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment content;
    private final Geometry geometry;

    /** A device of zeros. */
    public MemoryDevice(Geometry geometry) {
        this.geometry = geometry;
        this.content = arena.allocate(geometry.sizeBytes(), 4096);
    }

    @Override
    public Geometry geometry() {
        return geometry;
    }

    @Override
    public Set<BlockFeature> features() {
        return EnumSet.complementOf(EnumSet.of(BlockFeature.EXTENTS));
    }

    /** What is stored, for tests. */
    public MemorySegment content() {
        return content;
    }

    @Override
    public void submit(BlockRequest request) {
        request.complete(perform(request));
    }

    private IoStatus perform(BlockRequest request) {
        if (request.op == BlockOp.FLUSH) {
            return IoStatus.OK;
        }
        boolean misplaced =
                request.buffer != null
                        && (request.address() & (geometry.memoryAlignmentBytes() - 1)) != 0;
        if (misplaced
                || !geometry.isAligned(request.offset, request.length)
                || request.offset + request.length > geometry.sizeBytes()) {
            return IoStatus.INVALID;
        }
        switch (request.op) {
            case READ ->
                    MemorySegment.copy(
                            content,
                            request.offset,
                            request.buffer,
                            request.bufferOffset,
                            request.length);
            case WRITE ->
                    MemorySegment.copy(
                            request.buffer,
                            request.bufferOffset,
                            content,
                            request.offset,
                            request.length);
            case DISCARD, WRITE_ZEROES ->
                    content.asSlice(request.offset, request.length).fill((byte) 0);
            case FLUSH -> {}
            case EXTENTS -> {
                return IoStatus.NOT_SUPPORTED;
            }
        }
        return IoStatus.OK;
    }

    @Override
    public void close() {
        arena.close();
    }
}
