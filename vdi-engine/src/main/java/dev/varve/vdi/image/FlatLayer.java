// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

/** A layer in which every byte of the disk has the same offset in the volume. */
public final class FlatLayer implements ImageLayer {
    private final ImageInfo info;
    private final String resizeRefusal;
    private long sizeBytes;
    private LayerHost host;
    private IoStatus failure = IoStatus.OK;

    /**
     * @param resizeRefusal why the disk cannot change its size, or null when it can
     */
    public FlatLayer(ImageInfo info, String resizeRefusal) {
        this.info = info;
        this.sizeBytes = info.sizeBytes();
        this.resizeRefusal = resizeRefusal;
    }

    @Override
    public ImageInfo info() {
        return info;
    }

    /** Every byte of it is content, be it zero. */
    @Override
    public boolean isEmpty() {
        return false;
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
        long rest = sizeBytes - offset;
        if (rest <= 0) {
            answer.absent(length);
        } else {
            answer.data(offset, Math.min(length, rest));
        }
    }

    @Override
    public void locate(BlockRequest request, long offset, long length, Mapping answer) {
        lookup(request, offset, length, answer);
    }

    @Override
    public boolean covers(long offset, long length) {
        return offset + length <= sizeBytes;
    }

    @Override
    public long free(long offset, long length) {
        return 0;
    }

    @Override
    public boolean retireFreed() {
        return false;
    }

    @Override
    public void reuseFreed() {}

    @Override
    public void prepare(BlockRequest request, long offset, long length, Mapping answer) {
        answer.data(offset, length);
    }

    @Override
    public void written(long offset, long length, Object pin) {}

    @Override
    public void abandoned(Object pin) {}

    @Override
    public boolean needsCommit(long offset, long length) {
        return failure != IoStatus.OK;
    }

    @Override
    public void failed(IoStatus status) {
        if (failure == IoStatus.OK) {
            // What a flush had no room for is lost: nobody must take it for worth another try.
            failure = status == IoStatus.NO_SPACE ? IoStatus.IO_ERROR : status;
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

    /** There is no place for the mark in it; the store keeps one. */
    @Override
    public void seal(BlockAccess access, boolean hidden) {
        if (failure == IoStatus.OK) {
            access.flush();
        }
    }

    /** It says nothing of itself. */
    @Override
    public void reread(BlockAccess access) {}

    @Override
    public void release() {}
}
