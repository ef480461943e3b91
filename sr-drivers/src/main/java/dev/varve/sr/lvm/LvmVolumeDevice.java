// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;

import java.util.EnumSet;
import java.util.Set;

/**
 * A logical volume as a device over the device that holds its group. A request that crosses from
 * one piece of the volume to the next becomes a request for each; flushes are passed on as they
 * are.
 *
 * <p>All users of a volume share one. Extents that a volume has stay where they are as long as it
 * is open, so requests in flight do not mind that it grows.
 *
 * <p><b>Threads:</b> as any device; {@link #refresh} from any.
 */
final class LvmVolumeDevice implements BlockDevice {
    /** The map and the geometry that goes with it. */
    private record Shape(ExtentMap map, Geometry geometry) {}

    private final BlockDevice whole;
    private final BlockCompletion partDone = this::partDone;
    private volatile Shape shape;

    /**
     * @param whole the device that holds the group; not closed with this one
     */
    LvmVolumeDevice(BlockDevice whole, ExtentMap map) {
        this.whole = whole;
        refresh(map);
    }

    /** Takes note that the volume has another size. */
    void refresh(ExtentMap map) {
        shape = new Shape(map, whole.geometry().withSize(map.sizeBytes()));
    }

    @Override
    public Geometry geometry() {
        return shape.geometry();
    }

    /** Those of the device below, but for the extents, which would be those of other volumes. */
    @Override
    public Set<BlockFeature> features() {
        Set<BlockFeature> below = whole.features();
        if (!below.contains(BlockFeature.EXTENTS)) {
            return below;
        }
        Set<BlockFeature> features = EnumSet.copyOf(below);
        features.remove(BlockFeature.EXTENTS);
        return features;
    }

    @Override
    public long lossEpoch() {
        return whole.lossEpoch();
    }

    @Override
    public void submit(BlockRequest request) {
        if (request.op == BlockOp.FLUSH) {
            whole.submit(request);
        } else if (request.op == BlockOp.EXTENTS) {
            request.complete(IoStatus.NOT_SUPPORTED);
        } else {
            split(request, shape.map());
        }
    }

    private void split(BlockRequest request, ExtentMap map) {
        long end = request.offset + request.length;
        if (request.offset < 0 || end > map.sizeBytes()) {
            request.complete(IoStatus.IO_ERROR);
            return;
        }
        request.firstFailure = IoStatus.OK;
        // Parts may complete at once; the request may not before all of them were submitted.
        request.pending = 1;
        long at = request.offset;
        while (at < end) {
            int piece = map.piece(at);
            long part = Math.min(end, map.end(piece)) - at;
            request.pending++;
            whole.submit(part(request, at, map.onMedium(piece, at), part));
            at += part;
        }
        finishOne(request);
    }

    private BlockRequest part(BlockRequest request, long at, long onMedium, long length) {
        BlockRequest part = request.context.acquire();
        part.set(request.op, request.flags, onMedium, length);
        if (request.buffer != null) {
            part.data(request.buffer, request.bufferOffset + at - request.offset);
        }
        part.parent = request;
        return part.push(partDone);
    }

    private void partDone(BlockRequest part) {
        BlockRequest request = part.parent;
        if (part.status != IoStatus.OK) {
            request.noteFailure(part.status);
        }
        part.context.release(part);
        finishOne(request);
    }

    private static void finishOne(BlockRequest request) {
        if (--request.pending == 0) {
            request.complete(request.firstFailure);
        }
    }

    /** Nothing: the device below belongs to the medium. */
    @Override
    public void close() {}
}
