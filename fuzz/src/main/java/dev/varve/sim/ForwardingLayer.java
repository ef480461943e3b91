// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.Mapping;

/**
 * A layer in front of another one, for a {@link Sabotage} that changes a little of what it does.
 */
class ForwardingLayer implements ImageLayer {
    /** The layer behind this one. */
    protected final ImageLayer layer;

    ForwardingLayer(ImageLayer layer) {
        this.layer = layer;
    }

    @Override
    public ImageInfo info() {
        return layer.info();
    }

    @Override
    public long sizeBytes() {
        return layer.sizeBytes();
    }

    @Override
    public boolean isEmpty() {
        return layer.isEmpty();
    }

    @Override
    public void bind(LayerHost host) {
        layer.bind(host);
    }

    @Override
    public void lookup(BlockRequest request, long offset, long length, Mapping answer) {
        layer.lookup(request, offset, length, answer);
    }

    @Override
    public void locate(BlockRequest request, long offset, long length, Mapping answer) {
        layer.locate(request, offset, length, answer);
    }

    @Override
    public boolean covers(long offset, long length) {
        return layer.covers(offset, length);
    }

    @Override
    public boolean showsAtOnce(long offset, long length) {
        return layer.showsAtOnce(offset, length);
    }

    @Override
    public void expectWrites() {
        layer.expectWrites();
    }

    @Override
    public void prepare(BlockRequest request, long offset, long length, Mapping answer) {
        layer.prepare(request, offset, length, answer);
    }

    @Override
    public void written(long offset, long length, Object pin) {
        layer.written(offset, length, pin);
    }

    @Override
    public void abandoned(Object pin) {
        layer.abandoned(pin);
    }

    @Override
    public long free(long offset, long length) {
        return layer.free(offset, length);
    }

    @Override
    public boolean retireFreed() {
        return layer.retireFreed();
    }

    @Override
    public void reuseFreed() {
        layer.reuseFreed();
    }

    @Override
    public boolean needsCommit(long offset, long length) {
        return layer.needsCommit(offset, length);
    }

    @Override
    public void commit(CommitListener listener) {
        layer.commit(listener);
    }

    @Override
    public void failed(IoStatus status) {
        layer.failed(status);
    }

    @Override
    public boolean isDirty() {
        return layer.isDirty();
    }

    @Override
    public void resize(BlockAccess access, long newSizeBytes) {
        layer.resize(access, newSizeBytes);
    }

    @Override
    public void seal(BlockAccess access, boolean hidden) {
        layer.seal(access, hidden);
    }

    @Override
    public void reread(BlockAccess access) {
        layer.reread(access);
    }

    @Override
    public void release() {
        layer.release();
    }
}
