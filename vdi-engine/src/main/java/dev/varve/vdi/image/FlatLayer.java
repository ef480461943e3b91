// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

/** A layer in which every byte of the disk has the same offset in the volume. */
public final class FlatLayer implements ImageLayer {
    private final String resizeRefusal;
    private long sizeBytes;
    private LayerHost host;
    private IoStatus failure = IoStatus.OK;

    /**
     * @param resizeRefusal why the disk cannot change its size, or null when it can
     */
    public FlatLayer(long sizeBytes, String resizeRefusal) {
        this.sizeBytes = sizeBytes;
        this.resizeRefusal = resizeRefusal;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public void bind(LayerHost newHost) {
        host = newHost;
    }

    @Override
    public void lookup(BlockRequest request, long offset, long length, Mapping answer) {
        answer.data(offset, length);
    }

    @Override
    public void prepare(BlockRequest request, long offset, long length, Mapping answer) {
        answer.data(offset, length);
    }

    @Override
    public void written(long offset, long length) {}

    @Override
    public void abandoned(long offset, long length) {}

    @Override
    public boolean needsCommit(long offset, long length) {
        return failure != IoStatus.OK;
    }

    @Override
    public void failed(IoStatus status) {
        if (failure == IoStatus.OK) {
            failure = status;
        }
    }

    /**
     * A failure stays: the system forgets it once told, so the next flush would succeed without the
     * data of the last.
     */
    @Override
    public void commit(CommitListener listener) {
        if (failure != IoStatus.OK) {
            listener.committed(failure);
            return;
        }
        BlockRequest flush = host.context().acquire().set(BlockOp.FLUSH, 0, 0, 0);
        flush.push(
                request -> {
                    IoStatus status = request.status;
                    request.context.release(request);
                    if (status != IoStatus.OK) {
                        failed(status);
                    }
                    listener.committed(failure);
                });
        host.device().submit(flush);
    }

    @Override
    public boolean isDirty() {
        return false;
    }

    /** The volume's size is the disk's, and a store changes it atomically. */
    @Override
    public void resize(BlockAccess access, long newSizeBytes) {
        if (resizeRefusal != null) {
            throw ErrorCode.VDI_RESIZE.because(resizeRefusal);
        }
        access.grow(newSizeBytes);
        access.shrink(newSizeBytes);
        access.flush();
        sizeBytes = newSizeBytes;
    }

    @Override
    public void seal(BlockAccess access) {
        if (failure == IoStatus.OK) {
            access.flush();
        }
    }
}
