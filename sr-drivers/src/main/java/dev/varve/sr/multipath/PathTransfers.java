// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.block.BlockTransfers;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.time.Waiting;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.ToLongFunction;

/**
 * The transfers of those who may wait, over whatever path works, under the rules of {@link
 * MultipathDevice}.
 *
 * <p><b>Threads:</b> any; without a path they wait for one as long as requests of disks do.
 */
final class PathTransfers implements BlockTransfers {
    private static final int MOST_ATTEMPTS = 10;
    private static final long LONGEST_WAIT_NANOS = TimeUnit.DAYS.toNanos(365);

    private final PathSet paths;
    private final MultipathDevice.PathTrouble trouble;
    private CompletableFuture<Void> usable = new CompletableFuture<>();

    PathTransfers(PathSet paths, MultipathDevice.PathTrouble trouble) {
        this.paths = paths;
        this.trouble = trouble;
        paths.listen(this::wake);
    }

    private void wake() {
        CompletableFuture<Void> waited;
        synchronized (this) {
            waited = usable;
            usable = new CompletableFuture<>();
        }
        waited.complete(null);
    }

    private long run(ToLongFunction<BlockTransfers> transfer) {
        long result = -Libc.ENODEV;
        for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
            DiskPath path = awaitPath();
            if (path == null) {
                return result;
            }
            try {
                result = transfer.applyAsLong(path.open().transfers());
                String blame = path.blame(result);
                // Nothing is a good answer of a flush, and of these only.
                if (result >= 0 || blame == null) {
                    return result;
                }
                paths.fail(path, blame);
                trouble.failed(path);
            } finally {
                path.leave(Runnable::run);
            }
        }
        return result;
    }

    private DiskPath awaitPath() {
        while (true) {
            CompletableFuture<Void> change;
            synchronized (this) {
                change = usable;
            }
            DiskPath path = paths.take();
            long patience = Math.min(paths.patienceNanos(), LONGEST_WAIT_NANOS);
            if (path != null || patience <= 0) {
                return path;
            }
            try {
                Waiting.threads().await(change, patience);
            } catch (TimeoutException e) {
                return null;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return null;
            } catch (ExecutionException e) {
                throw new AssertionError("nobody fails it", e);
            }
        }
    }

    @Override
    public long read(long address, long length, long offset) {
        return run(path -> orUnplugged(path, path.read(address, length, offset)));
    }

    @Override
    public long write(long address, long length, long offset) {
        return run(path -> orUnplugged(path, path.write(address, length, offset)));
    }

    /** The kernel tells of a device that was unplugged that it is full, or at its end. */
    private static long orUnplugged(BlockTransfers path, long result) {
        boolean suspect = result == 0 || result == -Libc.ENOSPC;
        return suspect && path.size() <= 0 ? -Libc.ENODEV : result;
    }

    @Override
    public int flush() {
        return (int) run(BlockTransfers::flush);
    }

    @Override
    public int allocate(int mode, long offset, long length) {
        return (int) run(path -> path.allocate(mode, offset, length));
    }

    @Override
    public long size() {
        return run(path -> path.size() > 0 ? path.size() : -Libc.ENODEV);
    }
}
