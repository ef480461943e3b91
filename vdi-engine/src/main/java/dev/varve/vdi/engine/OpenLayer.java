// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.CommitGuard;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.LayerHost;
import dev.varve.vdi.image.MetadataCache;

import java.util.function.BooleanSupplier;

/**
 * An image that is open on a lane, and the volume that it is in.
 *
 * <p><b>Threads:</b> as {@link ImageLayer}; {@link #close} on control threads.
 */
public final class OpenLayer implements LayerHost {
    private final OpenVolume volume;
    private final ImageLayer layer;

    /** The lane's only. */
    private CommitGuard guard;

    /** How often the volume is being grown now. The lane's only. */
    private int growing;

    /** What the store said last; the lane does not ask it, since that may take time. */
    private volatile long growAheadBytes;

    /** Binds a layer to the lane of its volume. */
    public OpenLayer(OpenVolume volume, ImageLayer layer) {
        this.volume = volume;
        this.layer = layer;
        this.growAheadBytes = volume.volume().growAheadBytes();
        layer.bind(this);
    }

    /** The image. */
    public ImageLayer layer() {
        return layer;
    }

    /** Its volume. */
    public OpenVolume volume() {
        return volume;
    }

    @Override
    public IoContext context() {
        return volume.lane();
    }

    @Override
    public BlockDevice device() {
        return volume.device();
    }

    @Override
    public MetadataCache metadata() {
        return volume.lane().metadata();
    }

    @Override
    public CommitGuard guard() {
        return guard;
    }

    /** Has commits of the image wait for something else; null for nothing. On the lane. */
    void guard(CommitGuard newGuard) {
        guard = newGuard;
    }

    @Override
    public void grow(long sizeBytes, GrowListener listener) {
        growing++;
        volume.volume()
                .grow(sizeBytes)
                .whenComplete((size, failure) -> tell(listener, growStatus(failure)));
    }

    /** Whatever the store says then, the lane is told. */
    private void tell(GrowListener listener, IoStatus status) {
        try {
            if (status == IoStatus.OK) {
                growAheadBytes = volume.volume().growAheadBytes();
            }
        } finally {
            volume.lane().execute(() -> grown(listener, status));
        }
    }

    private void grown(GrowListener listener, IoStatus status) {
        growing--;
        listener.grown(status);
    }

    @Override
    public long growAheadBytes() {
        return growAheadBytes;
    }

    /** The image is going to be written. Any thread. */
    void expectWrites() {
        volume.lane().execute(layer::expectWrites);
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

    /** Lets go of the image and closes its volume as soon as nothing is in flight on it. */
    public void close() {
        closeWhenIdle(() -> true);
    }

    /**
     * As {@link #close}. A volume that is being grown is closed after that.
     *
     * @param idle whether those above are done with it; asked on the lane
     */
    void closeWhenIdle(BooleanSupplier idle) {
        volume.closeWhenIdle(
                () -> {
                    boolean over = growing == 0 && idle.getAsBoolean();
                    if (over) {
                        layer.release();
                    }
                    return over;
                });
    }
}
