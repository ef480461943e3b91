// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.MetadataBudget;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.time.Waiting;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * All lanes of the daemon and the disks that run on them.
 *
 * <p><b>Threads:</b> any, but not a lane's.
 */
public final class VdiEngine implements AutoCloseable {
    private static final long CHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final EngineContext context;
    private final List<LaneThread> threads = new ArrayList<>();
    private final List<Lane> lanes = new ArrayList<>();
    private final Map<UUID, ActiveVdi> active = new ConcurrentHashMap<>();
    private final SharedLayers shared = new SharedLayers();
    private final MetadataBudget metadata;
    private final AtomicInteger next = new AtomicInteger();

    /** Starts the lanes. */
    public VdiEngine(EngineContext context) {
        this.context = context;
        this.metadata = new MetadataBudget(context.metadataBytes());
        for (int i = 0; i < context.lanes(); i++) {
            threads.add(LaneThread.start("lane-" + i, context, metadata));
        }
        threads.forEach(thread -> lanes.add(thread.lane()));
    }

    /**
     * An engine over lanes that the caller runs.
     *
     * @param metadata what the lanes were made with
     */
    public VdiEngine(EngineContext context, List<Lane> lanes, MetadataBudget metadata) {
        this.context = context;
        this.metadata = metadata;
        this.lanes.addAll(lanes);
    }

    /** The lanes. */
    public List<Lane> lanes() {
        return List.copyOf(lanes);
    }

    /** How code that is not a lane's waits for lanes. */
    public Waiting waiting() {
        return context.waiting();
    }

    /** Opens a volume on a lane. */
    public OpenVolume open(StoreVolume volume, boolean writable) {
        return open(volume, writable, List.of());
    }

    private OpenVolume open(StoreVolume volume, boolean writable, List<BlockFilter> filters) {
        int index = Math.floorMod(next.getAndIncrement(), lanes.size());
        return new OpenVolume(lanes.get(index), volume, writable, filters);
    }

    /**
     * Starts to serve a disk that rests on no other. The engine closes the volume, also when this
     * fails.
     */
    public ActiveVdi activate(
            UUID uuid,
            StoreVolume volume,
            ImageFormat format,
            boolean writable,
            Operation operation) {
        return activate(
                uuid,
                new Leaf(volume, format, ParentSource.NONE),
                writable,
                operation,
                List.of(),
                List.of());
    }

    /**
     * The image that a disk shows.
     *
     * @param parents where the images are that it rests on
     */
    public record Leaf(StoreVolume volume, ImageFormat format, ParentSource parents) {}

    /**
     * Starts to serve a disk with filters. The engine closes the volume, also when this fails.
     *
     * @param below filters in front of the leaf's volume, the nearest first
     * @param above filters in front of the disk, the nearest first
     */
    public ActiveVdi activate(
            UUID uuid,
            Leaf leaf,
            boolean writable,
            Operation operation,
            List<BlockFilter> below,
            List<BlockFilter> above) {
        if (active.containsKey(uuid)) {
            leaf.volume().close();
            throw isActive(uuid);
        }
        ActiveVdi vdi = serve(uuid, leaf, writable, operation, below, above, true);
        if (active.putIfAbsent(uuid, vdi) != null) {
            vdi.abandon();
            throw isActive(uuid);
        }
        if (writable) {
            vdi.leaf().expectWrites();
        }
        return vdi;
    }

    /**
     * Opens a disk for the engine's own use: nobody finds it by its UUID. The engine closes the
     * volume, also when this fails.
     */
    public ActiveVdi open(UUID uuid, Leaf leaf, boolean writable, Operation operation) {
        return serve(uuid, leaf, writable, operation, List.of(), List.of(), false);
    }

    /**
     * Opens for reading what a disk's own images hold, without those that others have as well: what
     * only those hold reads as zero. The engine closes the volume, also when this fails.
     *
     * @param below the images that are left out
     */
    public ActiveVdi openAbove(UUID uuid, Leaf leaf, Set<VolumeId> below, Operation operation) {
        List<OpenLayer> layers =
                openChain(open(leaf.volume(), false, List.of()), leaf, false, below, operation);
        return new ActiveVdi(
                uuid,
                layers,
                false,
                context.requestsPerVdi(),
                List.of(),
                shared::release,
                () -> {});
    }

    private ActiveVdi serve(
            UUID uuid,
            Leaf leaf,
            boolean writable,
            Operation operation,
            List<BlockFilter> below,
            List<BlockFilter> above,
            boolean known) {
        List<OpenLayer> layers =
                openChain(
                        open(leaf.volume(), writable, below), leaf, writable, Set.of(), operation);
        return new ActiveVdi(
                uuid,
                layers,
                writable,
                context.requestsPerVdi(),
                above,
                shared::release,
                known ? () -> active.remove(uuid) : () -> {});
    }

    /** Opens a leaf and everything that it rests on, down to what is left out. */
    private List<OpenLayer> openChain(
            OpenVolume volume,
            Leaf leaf,
            boolean writable,
            Set<VolumeId> without,
            Operation operation) {
        Deque<OpenLayer> layers = new ArrayDeque<>();
        try {
            ImageLayer layer = volume.openImage(leaf.format(), writable, operation);
            layers.add(new OpenLayer(volume, layer));
            Set<VolumeId> seen = new HashSet<>(Set.of(leaf.volume().id()));
            while (layers.getFirst().layer().info().parent().isPresent()) {
                ParentLink link = layers.getFirst().layer().info().parent().get();
                VolumeId parent = leaf.parents().find(link);
                if (without.contains(parent)) {
                    break;
                }
                refuseEndless(seen, parent);
                layers.addFirst(shared.acquire(volume.lane(), leaf.parents(), parent, operation));
                requireSame(link, parent, layers.getFirst().layer().info());
            }
            return List.copyOf(layers);
        } catch (RuntimeException | Error e) {
            layers.pollLast();
            layers.forEach(shared::release);
            volume.close();
            throw e;
        }
    }

    private static void refuseEndless(Set<VolumeId> seen, VolumeId parent) {
        if (!seen.add(parent)) {
            throw ErrorCode.VDI_LOAD.because(
                    "the chain of images comes back to " + parent + ", which would rest on itself");
        }
        if (seen.size() > ImageChain.MOST_LAYERS) {
            throw ErrorCode.SNAPSHOT_CHAIN_TOO_LONG.because(
                    "the disk rests on more than " + ImageChain.MOST_LAYERS + " images");
        }
    }

    /** An image that was replaced by another one of the same name would show somebody's data. */
    private static void requireSame(ParentLink link, VolumeId id, ImageInfo parent) {
        UUID found = parent.uuid().orElse(ParentLink.RAW);
        if (!found.equals(link.imageUuid())) {
            throw ErrorCode.VDI_LOAD.because(
                    "%s is not the image that the disk was made on: it has the UUID %s, expected is %s"
                            .formatted(id, found, link.imageUuid()));
        }
    }

    // ---- snapshots

    /** Opens a volume on the lane of a disk that it is going to be the leaf of. */
    public OpenLayer openBeside(
            ActiveVdi vdi, StoreVolume volume, ImageFormat format, Operation operation) {
        OpenVolume open = new OpenVolume(vdi.lane(), volume, true);
        try {
            OpenLayer layer = new OpenLayer(open, open.openImage(format, true, operation));
            layer.expectWrites();
            return layer;
        } catch (RuntimeException | Error e) {
            open.close();
            throw e;
        }
    }

    /**
     * A disk and the empty image that is to take its writes.
     *
     * @param base the volume of the present leaf, by the name that it has when this is done
     * @param parents where that is
     * @param atOnce run on the disk's lane at the instant at which it changes over
     */
    public record Switch(
            ActiveVdi vdi, OpenLayer child, VolumeId base, ParentSource parents, Runnable atOnce) {}

    /**
     * Puts an image on top of each disk, on all of them at the same instant: whatever was written
     * to one because something was written to another before is on the same side. No request waits
     * for others to end.
     *
     * <p>Returns when what the former leaves got is durable and they are in order. Fails when that
     * could not be done; the images are on top all the same.
     */
    public void switchLeaves(List<Switch> switches, Operation operation) {
        switches.forEach(each -> each.vdi().pauseMerge());
        List<OpenLayer> former = switches.stream().map(each -> each.vdi().leaf()).toList();
        List<CompletableFuture<IoStatus>> settled =
                switches.stream().map(each -> new CompletableFuture<IoStatus>()).toList();
        changeOver(switches, settled);
        StorageException failure = null;
        for (int i = 0; i < switches.size(); i++) {
            try {
                seal(switches.get(i), former.get(i), settled.get(i), operation);
            } catch (StorageException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    /** One disk changes over between two of its requests; several hold theirs for the moment. */
    private void changeOver(List<Switch> switches, List<CompletableFuture<IoStatus>> settled) {
        boolean several = switches.size() > 1;
        try {
            if (several) {
                joinAll(switches.stream().map(each -> each.vdi().hold()));
            }
            joinAll(
                    IntStream.range(0, switches.size())
                            .mapToObj(
                                    i ->
                                            switches.get(i)
                                                    .vdi()
                                                    .push(
                                                            switches.get(i).child(),
                                                            switches.get(i).atOnce(),
                                                            settled.get(i))));
        } finally {
            if (several) {
                switches.forEach(each -> each.vdi().letGo());
            }
        }
    }

    /** Waits for a storage that may not answer for long, as long as the operation may take. */
    private IoStatus await(CompletableFuture<IoStatus> settled, Operation operation) {
        while (true) {
            operation.checkpoint();
            try {
                return waiting().await(settled, CHECK_NANOS);
            } catch (TimeoutException e) {
                // As long as the operation may take.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw ErrorCode.TASK_CANCELLED.with(operation.label());
            } catch (ExecutionException e) {
                throw new IllegalStateException("a disk's lane failed", e.getCause());
            }
        }
    }

    private void joinAll(Stream<CompletableFuture<Void>> parts) {
        waiting().join(CompletableFuture.allOf(parts.toArray(CompletableFuture[]::new)));
    }

    /** Leaves a former leaf in order, and lets it be shared like every other image below a leaf. */
    private void seal(
            Switch each,
            OpenLayer former,
            CompletableFuture<IoStatus> settled,
            Operation operation) {
        IoStatus status = await(settled, operation);
        if (status != IoStatus.OK) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "what was written to disk "
                            + each.vdi().uuid()
                            + " before could not be brought to storage: "
                            + status);
        }
        former.layer().seal(former.volume().access(operation), true);
        OpenLayer same = shared.acquire(each.vdi().lane(), each.parents(), each.base(), operation);
        each.vdi().settle(former, same);
        each.vdi().turnMerge(each.base(), operation);
    }

    // ---- merges

    /**
     * Begins to merge an image with the one that it rests on. It goes on by itself; {@link #commit}
     * or {@link ImageMerge#cancel} ends it.
     *
     * @throws StorageException when one of the images cannot be used, or the leaf of the disk is
     *     being merged already
     */
    public ImageMerge merge(ImageMerge.Pair pair, Operation operation) {
        Lane lane =
                pair.live()
                        .map(ActiveVdi::lane)
                        .orElseGet(
                                () ->
                                        lanes.get(
                                                Math.floorMod(
                                                        next.getAndIncrement(), lanes.size())));
        ImageMerge merge = new ImageMerge(shared, pair, lane, operation);
        merge.start(operation);
        return merge;
    }

    /**
     * Commits a merge that has copied everything. No disk may be activated or get another leaf
     * meanwhile.
     *
     * @param step makes it durable for the store
     * @return nothing when the merge was cancelled before; else why some disks could not be given
     *     the one image in place of the two, with which they go on until they are closed
     * @throws StorageException when it has not happened; the merge is still to be cancelled
     */
    public Optional<List<StorageException>> commit(
            ImageMerge merge, ImageMerge.Commit step, Operation operation) {
        List<ImageMerge.Affected> affected = new ArrayList<>();
        for (ActiveVdi vdi : active.values()) {
            Optional<OpenLayer> upper = view(vdi, merge.source(), merge.child());
            Optional<OpenLayer> lower = view(vdi, merge.source(), merge.parent());
            if (upper.isPresent() && lower.isPresent()) {
                affected.add(new ImageMerge.Affected(vdi, upper.get(), lower.get()));
            }
        }
        return merge.commit(step, affected, operation);
    }

    /** Has images be opened anew from now on that are not what their names stood for. */
    public void forget(ParentSource source, Collection<VolumeId> ids) {
        shared.forget(source, ids);
    }

    private Optional<OpenLayer> view(ActiveVdi vdi, ParentSource source, VolumeId id) {
        return vdi.below().stream().filter(layer -> shared.isViewOf(layer, source, id)).findFirst();
    }

    private static StorageException isActive(UUID uuid) {
        return ErrorCode.SR_VDI_IN_USE.because("disk " + uuid + " is active already");
    }

    /** The disk, if it is active. */
    public Optional<ActiveVdi> find(UUID uuid) {
        return Optional.ofNullable(active.get(uuid));
    }

    /** All active disks. */
    public Collection<ActiveVdi> activeDisks() {
        return List.copyOf(active.values());
    }

    /** How much memory the metadata of images takes and may take, in bytes. */
    public MetadataBudget metadata() {
        return metadata;
    }

    /** One line on each lane, for people. */
    public List<String> describe() {
        return lanes.stream()
                .map(
                        lane ->
                                "%s: %s, %d disks"
                                        .formatted(
                                                lane.name(),
                                                lane.io().name(),
                                                active.values().stream()
                                                        .filter(vdi -> vdi.lane() == lane)
                                                        .count()))
                .toList();
    }

    /**
     * Stops the lanes, unless somebody else runs them. Disks that are still active are left as
     * after a crash.
     */
    @Override
    public void close() {
        threads.forEach(LaneThread::close);
    }
}
