// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.io.IoOp;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;

/**
 * A file, or a block device of the system, as a device.
 *
 * <p>It belongs to no lane: a request runs on the backend of its own lane, so several lanes may
 * share the device.
 */
public final class RawFileDevice implements BlockDevice {
    private static final int ZERO_BYTES = 1 << 20;
    private static final MemorySegment ZEROS = Arena.global().allocate(ZERO_BYTES, 4096);

    private final IoFile file;
    private final Set<BlockFeature> features;
    private final IoOp.Completion transferred = this::transferred;
    private final IoOp.Completion synced = this::synced;
    private final IoOp.Completion discarded = this::discarded;
    private final IoOp.Completion zeroed = this::zeroed;
    private final IoOp.Completion zerosWritten = this::zerosWritten;
    private final int block;
    private volatile Geometry geometry;

    /**
     * @param file the open file, closed with the device
     */
    public RawFileDevice(IoFile file, boolean writable) {
        this.file = file;
        this.block = Math.max(Geometry.SECTOR_BYTES, file.alignmentBytes());
        Set<BlockFeature> can = EnumSet.noneOf(BlockFeature.class);
        if (writable) {
            can.add(BlockFeature.WRITE);
            can.add(BlockFeature.FUA);
            can.add(BlockFeature.DISCARD);
            can.add(BlockFeature.WRITE_ZEROES);
        }
        this.features = Set.copyOf(can);
        refreshSize();
    }

    /** Takes note that the file has changed its size. Any thread. */
    public void refreshSize() {
        long size = file.sizeBytes() / block * block;
        geometry = new Geometry(size, block, Math.max(4096, block), file.alignmentBytes());
    }

    /** The file. */
    public IoFile file() {
        return file;
    }

    @Override
    public Geometry geometry() {
        return geometry;
    }

    @Override
    public Set<BlockFeature> features() {
        return features;
    }

    @Override
    public void submit(BlockRequest request) {
        IoOp io = request.io;
        io.file = file;
        switch (request.op) {
            case READ, WRITE -> {
                io.kind =
                        request.op == BlockOp.READ
                                ? IoOp.Kind.READ
                                : request.has(BlockRequest.FUA)
                                        ? IoOp.Kind.WRITE_DURABLE
                                        : IoOp.Kind.WRITE;
                io.address = request.address();
                start(io, request.offset, request.length, transferred);
            }
            case FLUSH -> {
                io.kind = IoOp.Kind.SYNC;
                start(io, 0, 0, synced);
            }
            case DISCARD -> {
                io.kind = IoOp.Kind.PUNCH_HOLE;
                start(io, request.offset, request.length, discarded);
            }
            case WRITE_ZEROES -> {
                io.kind =
                        request.has(BlockRequest.NO_HOLE)
                                ? IoOp.Kind.ZERO_RANGE
                                : IoOp.Kind.PUNCH_HOLE;
                start(io, request.offset, request.length, zeroed);
            }
            case EXTENTS -> request.complete(IoStatus.NOT_SUPPORTED);
        }
    }

    private static void start(IoOp io, long offset, long length, IoOp.Completion completion) {
        io.offset = offset;
        io.length = length;
        io.completion = completion;
        ((BlockRequest) io.owner).context.io().submit(io);
    }

    /** The system may transfer less than asked; the rest follows. Nothing at all is a failure. */
    private void transferred(IoOp io, int result) {
        BlockRequest request = (BlockRequest) io.owner;
        if (result < 0) {
            request.complete(statusOf(result));
        } else if (result == io.length) {
            request.complete(IoStatus.OK);
        } else if (result == 0) {
            request.complete(IoStatus.IO_ERROR);
        } else {
            io.address += result;
            start(io, io.offset + result, io.length - result, transferred);
        }
    }

    /**
     * The kernel takes the size from a disk that was unplugged, and then says that there is no room
     * where it was. Nobody should wait for room on it.
     */
    private IoStatus statusOf(int error) {
        IoStatus status = IoStatus.ofError(error);
        boolean gone = status == IoStatus.NO_SPACE && geometry.sizeBytes() > 0 && file.isEmpty();
        return gone ? IoStatus.IO_ERROR : status;
    }

    private void synced(IoOp io, int result) {
        ((BlockRequest) io.owner).complete(result < 0 ? statusOf(result) : IoStatus.OK);
    }

    /** A file system without holes keeps the data, which a discard allows. */
    private void discarded(IoOp io, int result) {
        IoStatus status = result < 0 ? statusOf(result) : IoStatus.OK;
        finishRange(
                (BlockRequest) io.owner, status == IoStatus.NOT_SUPPORTED ? IoStatus.OK : status);
    }

    /** A file system that cannot zero a range gets zeros to write. */
    private void zeroed(IoOp io, int result) {
        BlockRequest request = (BlockRequest) io.owner;
        IoStatus status = result < 0 ? statusOf(result) : IoStatus.OK;
        if (status == IoStatus.NOT_SUPPORTED) {
            request.cursor = 0;
            writeZeros(request);
        } else {
            finishRange(request, status);
        }
    }

    private void writeZeros(BlockRequest request) {
        IoOp io = request.io;
        io.kind = IoOp.Kind.WRITE;
        io.address = ZEROS.address();
        long length = Math.min(ZERO_BYTES, request.length - request.cursor);
        start(io, request.offset + request.cursor, length, zerosWritten);
    }

    private void zerosWritten(IoOp io, int result) {
        BlockRequest request = (BlockRequest) io.owner;
        if (result <= 0) {
            request.complete(result < 0 ? statusOf(result) : IoStatus.IO_ERROR);
            return;
        }
        request.cursor += result;
        if (request.cursor == request.length) {
            finishRange(request, IoStatus.OK);
        } else {
            writeZeros(request);
        }
    }

    private void finishRange(BlockRequest request, IoStatus status) {
        if (status == IoStatus.OK && request.has(BlockRequest.FUA)) {
            request.io.kind = IoOp.Kind.SYNC;
            start(request.io, 0, 0, synced);
        } else {
            request.complete(status);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
