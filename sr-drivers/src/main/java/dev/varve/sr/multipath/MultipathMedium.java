// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.block.BlockBytes;
import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.sr.spi.PathHealth;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Scheduler;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * A LUN of this host over all its paths, as one device: see {@link MultipathDevice} for disks and
 * {@link PathWatcher} for what becomes of paths.
 *
 * <p>A device of device-mapper over the same paths counts as one path.
 *
 * <p><b>Threads:</b> any.
 */
public final class MultipathMedium implements BlockMedium {
    private final String scsiId;
    private final boolean writable;
    private final int blockBytes;
    private final Supplier<List<PathCandidate>> finder;
    private final Executor blocking;
    private final PathSet paths;
    private final PathWatcher watcher;
    private final BlockBytes bytes;
    private final Optional<PathReservations> reservations;
    private volatile MultipathDevice device;

    /** Where the medium gets time and threads from. */
    public record Services(Clock clock, Scheduler scheduler, Executor blocking) {}

    private MultipathMedium(
            String scsiId,
            Supplier<List<PathCandidate>> finder,
            int blockBytes,
            boolean writable,
            PathSettings settings,
            Services services,
            Optional<PathReservations> reservations) {
        this.scsiId = scsiId;
        this.writable = writable;
        this.finder = finder;
        this.blockBytes = blockBytes;
        this.reservations = reservations;
        this.blocking = services.blocking();
        this.paths = new PathSet(services.clock(), settings);
        this.watcher =
                new PathWatcher(
                        new Lun(), paths, services.blocking(), services.scheduler(), settings);
        this.bytes =
                new BlockBytes(
                        name(), blockBytes, new PathTransfers(paths, _ -> watcher.lookSoon()));
    }

    /**
     * Opens a LUN over all paths that are there; more may come later.
     *
     * @param finder the devices through which the host reaches the LUN, asked again and again
     * @param services the scheduler is closed with the medium
     * @param reservations how hosts keep each other out, if the LUN has that
     * @throws StorageException SR_UNAVAILABLE when there is no path, MULTIPATH_DEVICE when paths
     *     have different blocks
     */
    public static MultipathMedium open(
            String scsiId,
            Supplier<List<PathCandidate>> finder,
            boolean writable,
            PathSettings settings,
            Services services,
            Optional<PathReservations> reservations) {
        List<PathCandidate> found = finder.get();
        if (found.isEmpty()) {
            services.scheduler().close();
            throw ErrorCode.SR_UNAVAILABLE.because("there is no path to the LUN " + scsiId);
        }
        MultipathMedium medium =
                new MultipathMedium(
                        scsiId,
                        finder,
                        found.getFirst().blockBytes(),
                        writable,
                        settings,
                        services,
                        reservations);
        try {
            medium.begin(found.stream().anyMatch(PathCandidate::cached));
            return medium;
        } catch (RuntimeException e) {
            medium.close();
            throw e;
        }
    }

    /**
     * @param cached whether any path says that the LUN has a cache
     */
    private void begin(boolean cached) {
        watcher.look();
        DiskPath path = paths.take();
        if (path == null) {
            throw unavailable();
        }
        try {
            device =
                    new MultipathDevice(
                            paths,
                            _ -> watcher.lookSoon(),
                            blocking,
                            path.device().geometry(),
                            path.device().features(),
                            cached);
        } finally {
            path.leave(Runnable::run);
        }
        watcher.start();
    }

    /** How the watcher comes to paths. */
    private final class Lun implements PathWatcher.Lun {
        @Override
        public List<PathCandidate> candidates() {
            return finder.get();
        }

        @Override
        public DiskPath open(PathCandidate candidate) {
            if (candidate.blockBytes() != blockBytes) {
                throw ErrorCode.MULTIPATH_DEVICE.because(
                        "the path %s has blocks of %d bytes, others to %s have %d"
                                .formatted(
                                        candidate.describe(),
                                        candidate.blockBytes(),
                                        scsiId,
                                        blockBytes));
            }
            PathDevice opened = PathDevice.open(candidate.node(), blockBytes, writable);
            if (!finder.get().stream().anyMatch(candidate::isSameDevice)) {
                opened.letGo().run();
                throw ErrorCode.SR_UNAVAILABLE.because(
                        candidate.describe() + " went away while it was opened");
            }
            try {
                reservations.ifPresent(PathReservations::registerNewPaths);
            } catch (StorageException e) {
                opened.letGo().run();
                throw e;
            }
            return new DiskPath(candidate, opened, (path, request) -> device.ended(path, request));
        }
    }

    private StorageException unavailable() {
        String reasons =
                paths().stream()
                        .map(path -> path.path() + ": " + path.lastError())
                        .collect(Collectors.joining("; "));
        return ErrorCode.SR_UNAVAILABLE.because(
                "no path to the LUN %s works%s"
                        .formatted(scsiId, reasons.isEmpty() ? "" : ": " + reasons));
    }

    // ---- the medium

    @Override
    public String name() {
        return "LUN " + scsiId;
    }

    @Override
    public long sizeBytes() {
        return bytes.size();
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public boolean isWritable() {
        return writable;
    }

    @Override
    public byte[] read(long offset, int length) {
        return bytes.read(offset, length);
    }

    @Override
    public void write(long offset, byte[] data) {
        bytes.write(offset, data);
    }

    @Override
    public void flush() {
        bytes.flush();
    }

    @Override
    public void zero(long offset, long length) {
        bytes.zero(offset, length);
    }

    @Override
    public void discard(long offset, long length) {
        bytes.discard(offset, length);
    }

    @Override
    public boolean canDiscard() {
        return writable;
    }

    @Override
    public BlockDevice device() {
        return device;
    }

    @Override
    public Optional<Reservations> reservations() {
        return reservations.map(Reservations.class::cast);
    }

    /** Does not wait for a path; takes note of a LUN that has grown. */
    @Override
    public void check() {
        watcher.look();
        StorageException failure = null;
        for (DiskPath path : paths.all()) {
            if (!path.enter()) {
                continue;
            }
            try {
                path.check();
                if (path.candidate().usable()) {
                    paths.heal(path);
                }
            } catch (StorageException e) {
                paths.fail(path, e.sentence());
                failure = e;
            } finally {
                path.leave(Runnable::run);
            }
        }
        if (!paths.isUsable()) {
            throw failure == null ? unavailable() : failure;
        }
        refreshSize();
    }

    /** The smallest size that a path tells: the others have only not noticed yet. */
    private void refreshSize() {
        Geometry smallest = null;
        for (DiskPath path : paths.all()) {
            if (path.isHealthy() && path.enter()) {
                path.open().refreshSize();
                Geometry geometry = path.device().geometry();
                boolean smaller = smallest == null || geometry.sizeBytes() < smallest.sizeBytes();
                smallest = smaller ? geometry : smallest;
                path.leave(Runnable::run);
            }
        }
        if (smallest != null) {
            device.resize(smallest);
        }
    }

    /** How all paths do. */
    public List<PathHealth> paths() {
        return watcher.health(scsiId);
    }

    @Override
    public void close() {
        watcher.close();
    }
}
