// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.Mapping;
import dev.varve.vdi.store.StoreVolume;

import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A disk: turns each request into requests for the volume, as its layer says.
 *
 * <p>A request goes through the stages in one walk: <i>resolve</i> asks the layer where the next
 * bytes are, <i>allocate</i> has it make room for a write, <i>transfer</i> sends a part to the
 * volume, and <i>complete</i> runs when the last part is done. A walk that has to wait for the
 * layer is left and taken up again at the same place.
 *
 * <p><b>Durability:</b> a flush is a commit of the layer. A write with FUA whose place is already
 * safe is a durable write of the volume; any other is followed by a commit. Metadata that nobody
 * flushes is committed within a second.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class ImageDevice implements BlockDevice, LayerHost {
    private static final long COMMIT_AFTER_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Lane lane;
    private final ImageLayer layer;
    private final BlockDevice volumeDevice;
    private final StoreVolume volume;
    private final Set<BlockFeature> features;
    private final Mapping mapping = new Mapping();
    private final BlockCompletion partDone = this::partDone;
    private final LaneTimer commitTimer = new LaneTimer(this::commitInBackground);

    /** Asked for with every request, so it is not made anew each time. */
    private volatile Geometry geometry = new Geometry(0, Geometry.SECTOR_BYTES, 4096, 1);

    /**
     * @param volumeDevice the volume's device, made ready for any alignment
     * @param volume for growing
     */
    public ImageDevice(
            Lane lane,
            ImageLayer layer,
            BlockDevice volumeDevice,
            StoreVolume volume,
            boolean writable) {
        this.lane = lane;
        this.layer = layer;
        this.volumeDevice = volumeDevice;
        this.volume = volume;
        this.features =
                writable
                        ? Set.copyOf(EnumSet.allOf(BlockFeature.class))
                        : Set.of(BlockFeature.EXTENTS);
        layer.bind(this);
    }

    @Override
    public Geometry geometry() {
        Geometry known = geometry;
        if (known.sizeBytes() != layer.sizeBytes()) {
            known = known.withSize(layer.sizeBytes());
            geometry = known;
        }
        return known;
    }

    @Override
    public Set<BlockFeature> features() {
        return features;
    }

    @Override
    public void submit(BlockRequest request) {
        if (request.op == BlockOp.FLUSH) {
            layer.commit(request::complete);
            return;
        }
        request.cursor = 0;
        request.firstFailure = IoStatus.OK;
        request.pending = 1; // the walk itself
        walk(request);
    }

    @Override
    public void resume(BlockRequest request) {
        walk(request);
    }

    @Override
    public void fail(BlockRequest request, IoStatus status) {
        request.noteFailure(status);
        endPart(request);
    }

    private void walk(BlockRequest request) {
        while (request.cursor < request.length && request.firstFailure == IoStatus.OK) {
            long position = request.offset + request.cursor;
            long rest = request.length - request.cursor;
            if (allocates(request)) {
                layer.prepare(request, position, rest, mapping);
            } else {
                layer.lookup(request, position, rest, mapping);
            }
            switch (mapping.kind) {
                case WAIT -> {
                    return;
                }
                case FAILED -> request.noteFailure(mapping.status);
                case DATA -> data(request, mapping.deviceOffset, mapping.length);
                case ZERO, ABSENT -> nothing(request, mapping.length);
            }
        }
        endPart(request);
    }

    /**
     * A request to make zeros leaves what was never written as it is, unless it has to keep space.
     */
    private static boolean allocates(BlockRequest request) {
        return request.op == BlockOp.WRITE
                || (request.op == BlockOp.WRITE_ZEROES && request.has(BlockRequest.NO_HOLE));
    }

    private void nothing(BlockRequest request, long length) {
        if (request.op == BlockOp.READ) {
            request.zero(request.cursor, length);
        } else if (request.op == BlockOp.EXTENTS) {
            request.extents.add(length, false);
        }
        request.cursor += length;
        stopWhenFull(request);
    }

    private static void stopWhenFull(BlockRequest request) {
        if (request.op == BlockOp.EXTENTS && request.extents.isFull()) {
            request.cursor = request.length;
        }
    }

    private void data(BlockRequest request, long deviceOffset, long length) {
        long start = request.cursor;
        request.cursor += length;
        if (request.op == BlockOp.EXTENTS) {
            request.extents.add(length, true);
            stopWhenFull(request);
            return;
        }
        BlockRequest part = lane.acquire();
        part.set(request.op, request.flags, deviceOffset, length);
        if (request.buffer != null) {
            part.data(request.buffer, request.bufferOffset + start);
        }
        part.parent = request;
        part.token = request.offset + start;
        part.push(partDone);
        request.pending++;
        volumeDevice.submit(part);
    }

    private void partDone(BlockRequest part) {
        BlockRequest request = part.parent;
        if (allocates(request)) {
            if (part.status == IoStatus.OK) {
                layer.written(part.token, part.length);
            } else {
                layer.abandoned(part.token, part.length);
            }
        }
        if (part.status != IoStatus.OK) {
            request.noteFailure(part.status);
            if (part.status == IoStatus.IO_ERROR && part.has(BlockRequest.FUA)) {
                layer.failed(part.status);
            }
        }
        lane.release(part);
        endPart(request);
    }

    private void endPart(BlockRequest request) {
        if (--request.pending > 0) {
            return;
        }
        if (layer.isDirty() && !commitTimer.isScheduled()) {
            lane.schedule(commitTimer, COMMIT_AFTER_NANOS);
        }
        boolean durable = request.op.changes() && request.has(BlockRequest.FUA);
        if (request.firstFailure != IoStatus.OK) {
            request.complete(request.firstFailure);
        } else if (durable && layer.needsCommit(request.offset, request.length)) {
            layer.commit(request::complete);
        } else {
            request.complete(IoStatus.OK);
        }
    }

    /** A failure is not lost: the layer answers the next flush with it. */
    private void commitInBackground() {
        if (layer.isDirty()) {
            layer.commit(status -> {});
        }
    }

    // ---- what the layer asks for

    @Override
    public IoContext context() {
        return lane;
    }

    @Override
    public BlockDevice device() {
        return volumeDevice;
    }

    @Override
    public void grow(long sizeBytes, GrowListener listener) {
        volume.grow(sizeBytes)
                .whenComplete(
                        (size, failure) -> lane.execute(() -> listener.grown(growStatus(failure))));
    }

    private static IoStatus growStatus(Throwable failure) {
        if (failure == null) {
            return IoStatus.OK;
        }
        Throwable cause = failure.getCause() == null ? failure : failure.getCause();
        boolean full =
                cause instanceof StorageException storage
                        && storage.code() == ErrorCode.SR_NO_SPACE;
        return full ? IoStatus.NO_SPACE : IoStatus.IO_ERROR;
    }

    /** The volume is closed by whoever opened it. */
    @Override
    public void close() {}
}
