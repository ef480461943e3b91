// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.vdi.block.BlockRequest;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Cuts requests into commands of a size that the unit takes.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class RequestCutter {
    private static final int ZERO_BYTES = 1 << 20;
    private static final MemorySegment ZEROS = Arena.global().allocate(ZERO_BYTES, 4096);
    private static final long MOST_SAME_BYTES = 32 << 20;
    private static final long MOST_UNMAP_BYTES = 1L << 30;

    private RequestCutter() {}

    /** How long the next part of a request is, in bytes. */
    static long partBytes(BlockRequest request, LunShape shape) {
        long rest = request.length - request.cursor;
        return switch (request.op) {
            case READ, WRITE -> Math.min(rest, shape.mostTransferBytes());
            case DISCARD ->
                    shape.unmapBlocks() > 0
                            ? Math.min(rest, bytes(shape.unmapBlocks(), shape, MOST_UNMAP_BYTES))
                            : Math.min(rest, sameBytes(shape));
            case WRITE_ZEROES ->
                    Math.min(
                            rest,
                            shape.writeSameBlocks() > 0 ? sameBytes(shape) : zeroBytes(shape));
            case FLUSH, EXTENTS -> 0;
        };
    }

    private static long sameBytes(LunShape shape) {
        return bytes(Math.max(1, shape.writeSameBlocks()), shape, MOST_SAME_BYTES);
    }

    private static long zeroBytes(LunShape shape) {
        return Math.min(ZERO_BYTES, shape.mostTransferBytes());
    }

    private static long bytes(long blocks, LunShape shape, long most) {
        return blocks >= most / shape.blockBytes() ? most : blocks * shape.blockBytes();
    }

    /** Makes a command of the next part of a request. */
    static void cut(LunCommand command, BlockRequest request, long part, LunShape shape) {
        long start = request.offset + request.cursor;
        switch (request.op) {
            case READ -> {
                command.set(LunCommand.Kind.READ, request, start, part);
                command.move(request.buffer, request.bufferOffset + request.cursor, (int) part);
            }
            case WRITE -> {
                command.set(LunCommand.Kind.WRITE, request, start, part);
                command.move(request.buffer, request.bufferOffset + request.cursor, (int) part);
                command.durable = request.has(BlockRequest.FUA);
            }
            case FLUSH -> command.set(LunCommand.Kind.FLUSH, request, 0, 0);
            case DISCARD -> discard(command, request, start, part, shape);
            case WRITE_ZEROES -> zero(command, request, start, part, shape);
            case EXTENTS -> throw new IllegalStateException("a unit does not tell extents");
        }
    }

    private static void discard(
            LunCommand command, BlockRequest request, long start, long part, LunShape shape) {
        if (shape.unmapBlocks() > 0) {
            command.set(LunCommand.Kind.UNMAP, request, start, part);
            CommandBlocks.unmapParameters(command, shape.blockBytes());
        } else {
            same(command, request, start, part, shape);
            command.unmaps = true;
        }
    }

    private static void zero(
            LunCommand command, BlockRequest request, long start, long part, LunShape shape) {
        if (shape.writeSameBlocks() > 0) {
            same(command, request, start, part, shape);
            command.unmaps =
                    shape.unmapsBySame()
                            && shape.unmappedIsZero()
                            && !request.has(BlockRequest.NO_HOLE);
        } else {
            command.set(LunCommand.Kind.WRITE, request, start, part);
            command.move(ZEROS, 0, (int) part);
        }
    }

    private static void same(
            LunCommand command, BlockRequest request, long start, long part, LunShape shape) {
        command.set(LunCommand.Kind.WRITE_SAME, request, start, part);
        command.move(ZEROS, 0, shape.blockBytes());
    }

    /** The unit does not know WRITE SAME (16) after all: the same range, by zeros. */
    static void toZeros(LunCommand command, LunShape shape) {
        long whole = command.length + command.restBytes;
        command.kind = LunCommand.Kind.WRITE;
        command.unmaps = false;
        command.length = Math.min(whole, zeroBytes(shape));
        command.restBytes = whole - command.length;
        command.move(ZEROS, 0, (int) command.length);
    }

    /** Goes on with what is left of a range that is made zero by zeros. */
    static void nextZeros(LunCommand command, LunShape shape) {
        command.start += command.length;
        command.length = 0;
        toZeros(command, shape);
    }
}
