// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.block.BlockTransfers;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.io.IoOp;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.Set;

/** A path that answers what the test wants, with the errors of the kernel. */
final class FakeDisk implements BlockDevice, BlockTransfers {
    static final long SIZE = 1 << 20;

    private static final IoOp.Completion ENDED =
            (io, result) ->
                    ((BlockRequest) io.owner)
                            .complete(result < 0 ? IoStatus.ofError(result) : IoStatus.OK);

    private final String name;
    private final Queue<BlockRequest> kept = new ArrayDeque<>();

    /** What every request ends with: 0 or {@code -errno}. */
    volatile int error;

    /** Whether requests stay until {@link #finish}. */
    boolean keeps;

    long size = SIZE;
    int served;
    int closed;

    FakeDisk(String name) {
        this.name = name;
    }

    PathCandidate candidate(int rank) {
        return new PathCandidate(Path.of("/dev", name), "8:0", name, 512, SIZE, true, rank, true);
    }

    DiskPath path(int rank, DiskPath.Ended ended) {
        return new DiskPath(candidate(rank), new PathDevice(this, this, () -> closed += 1), ended);
    }

    @Override
    public Geometry geometry() {
        return new Geometry(size, 512, 4096, 512);
    }

    @Override
    public Set<BlockFeature> features() {
        return Set.of(BlockFeature.WRITE, BlockFeature.FUA);
    }

    @Override
    public void submit(BlockRequest request) {
        served++;
        if (keeps) {
            kept.add(request);
        } else {
            end(request);
        }
    }

    /** Ends what it keeps. */
    void finish() {
        for (BlockRequest request = kept.poll(); request != null; request = kept.poll()) {
            end(request);
        }
    }

    private void end(BlockRequest request) {
        request.io.completion = ENDED;
        request.io.begin();
        request.io.complete(error);
    }

    @Override
    public long read(long address, long length, long offset) {
        return error < 0 ? error : length;
    }

    @Override
    public long write(long address, long length, long offset) {
        return error < 0 ? error : length;
    }

    @Override
    public int flush() {
        return error;
    }

    @Override
    public int allocate(int mode, long offset, long length) {
        return error;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void close() {}
}
