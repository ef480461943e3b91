// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.cbt.ChangeTracking;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Looks at the images of a repository and tells what they are, and what is wrong with them.
 *
 * <p>A damaged image, and every image that rests on one, is told as quarantined with the reason; it
 * disturbs no other. Many are looked at together, since each costs a few small reads.
 *
 * <p><b>Threads:</b> any; calls block.
 */
final class DiskInspector {
    private static final int WORKERS = 16;

    /** What was found in a volume; without an image there is a reason. */
    private record Found(VolumeInfo volume, ImageInfo image, String trouble) {}

    private final VolumeStore store;
    private final VdiEngine engine;
    private final StoreParents parents;
    private final ImageTree tree;
    private final Function<VolumeId, ImageFormat> formats;

    DiskInspector(
            VolumeStore store,
            VdiEngine engine,
            StoreParents parents,
            ImageTree tree,
            Function<VolumeId, ImageFormat> formats) {
        this.store = store;
        this.engine = engine;
        this.parents = parents;
        this.tree = tree;
        this.formats = formats;
    }

    // ---- all of them

    List<VdiInfo> scan(Operation operation) {
        tree.scanning();
        List<VolumeInfo> all = store.list();
        List<VolumeInfo> volumes = all.stream().filter(info -> info.id().kind().isDisk()).toList();
        Set<VolumeId> ids = all.stream().map(VolumeInfo::id).collect(Collectors.toSet());
        Map<VolumeId, Found> found = new HashMap<>();
        for (Found each : lookAtAll(volumes, operation)) {
            found.put(each.volume().id(), each);
        }
        // A change of roles that is not finished says which of two images is the inner node.
        if (all.stream().noneMatch(info -> info.id().kind() == VolumeKind.JOURNAL)) {
            hideInnerNodes(found);
        }
        Map<VolumeId, Optional<Trouble>> known = new HashMap<>();
        List<VdiInfo> disks = new ArrayList<>();
        for (Found each : found.values()) {
            VolumeId id = each.volume().id();
            Trouble trouble = trouble(each, found, known);
            String told = trouble == null ? null : trouble.toldOf(id);
            boolean tracked = ids.contains(ChangeTracking.log(id.uuid()));
            disks.add(info(each, parentOf(each, found::containsKey), tracked, told));
        }
        tree.scanned(found.values().stream().map(each -> node(each, found::containsKey)).toList());
        return disks;
    }

    /**
     * An image that others rest on is an inner node whatever it says: whoever wrote to it would
     * change them. That is written down with it, so that every reader knows.
     */
    private void hideInnerNodes(Map<VolumeId, Found> found) {
        Set<VolumeId> restedOn = new HashSet<>();
        for (Found each : found.values()) {
            Optional<Found> parent = parentOf(each, found::containsKey).map(found::get);
            if (parent.isPresent() && ownTrouble(each, parent, found.values()) == null) {
                restedOn.add(parent.get().volume().id());
            }
        }
        for (VolumeId id : restedOn) {
            Found node = found.get(id);
            if (!isHidden(node) && node.image() != null && isIdle(node)) {
                hide(node)
                        .ifPresent(hidden -> found.put(id, new Found(hidden, node.image(), null)));
            }
        }
    }

    private boolean isIdle(Found node) {
        return engine.find(node.volume().id().uuid()).isEmpty();
    }

    /** Nothing when the store cannot be written now; the next scan tries again. */
    private Optional<VolumeInfo> hide(Found node) {
        VolumeInfo volume = node.volume();
        try {
            store.commit(List.of(new VolumeChange.SetMarks(volume.id(), volume.readOnly(), true)));
            return store.find(volume.id());
        } catch (StorageException e) {
            return Optional.empty();
        }
    }

    /** A volume that was renamed or removed since it was listed is left out. */
    private List<Found> lookAtAll(Collection<VolumeInfo> volumes, Operation operation) {
        List<VolumeInfo> all = List.copyOf(volumes);
        Found[] found = new Found[all.size()];
        AtomicInteger next = new AtomicInteger();
        AtomicInteger done = new AtomicInteger();
        Runnable worker =
                () -> {
                    for (int i = next.getAndIncrement();
                            i < found.length;
                            i = next.getAndIncrement()) {
                        operation.checkpoint();
                        found[i] = lookAt(all.get(i), operation);
                        operation.progress(done.incrementAndGet(), found.length);
                    }
                };
        engine.waiting().together("disk-inspector-", Math.min(WORKERS, found.length), worker);
        return Arrays.stream(found).filter(Objects::nonNull).toList();
    }

    /** An image that is active is asked; another one is read. Null when it is gone. */
    private Found lookAt(VolumeInfo volume, Operation operation) {
        Optional<ActiveVdi> active = engine.find(volume.id().uuid());
        if (active.isPresent() && active.get().leaf().volume().volume().id().equals(volume.id())) {
            return new Found(volume, now(active.get()), null);
        }
        try (OpenVolume open = engine.open(store.open(volume.id(), false), false)) {
            return new Found(
                    volume, formats.apply(volume.id()).inspect(open.access(operation)), null);
        } catch (StorageException e) {
            return switch (e.code()) {
                case TASK_CANCELLED, OPERATION_TIMED_OUT -> throw e;
                case VDI_NOT_ON_STORAGE -> null;
                default -> new Found(volume, null, e.sentence());
            };
        }
    }

    /** What an active image says of itself now. */
    static ImageInfo now(ActiveVdi vdi) {
        ImageInfo opened = vdi.leaf().layer().info();
        return new ImageInfo(
                opened.format(),
                vdi.device().geometry().sizeBytes(),
                opened.blockBytes(),
                opened.uuid(),
                opened.parent(),
                opened.hidden(),
                true);
    }

    private ImageTree.Node node(Found found, Predicate<VolumeId> isThere) {
        return new ImageTree.Node(
                found.volume().id(),
                parentOf(found, isThere),
                isHidden(found),
                found.image() != null);
    }

    private Optional<VolumeId> parentOf(Found found, Predicate<VolumeId> isThere) {
        return found.image() == null
                ? Optional.empty()
                : found.image().parent().stream()
                        .flatMap(link -> link.names().stream())
                        .flatMap(name -> store.named(name).stream())
                        .filter(isThere)
                        .findFirst();
    }

    private static boolean isHidden(Found found) {
        return found.volume().hidden() || (found.image() != null && found.image().hidden());
    }

    // ---- what is wrong

    /**
     * Why an image cannot be used.
     *
     * @param where the image that is the reason
     */
    private record Trouble(VolumeId where, String what) {
        String toldOf(VolumeId id) {
            return id.equals(where)
                    ? what
                    : "it rests on " + where + ", which cannot be used: " + what;
        }
    }

    /** Why an image cannot be used, or null; answers that are known already are in the map. */
    private Trouble trouble(
            Found found, Map<VolumeId, Found> all, Map<VolumeId, Optional<Trouble>> known) {
        List<VolumeId> way = new ArrayList<>();
        Found at = found;
        Optional<Trouble> trouble = Optional.empty();
        while (at != null && trouble.isEmpty()) {
            VolumeId id = at.volume().id();
            if (known.containsKey(id)) {
                trouble = known.get(id);
                break;
            }
            if (way.contains(id)) {
                trouble =
                        Optional.of(
                                new Trouble(id, "the images that it rests on come back to itself"));
                break;
            }
            way.add(id);
            Optional<Found> parent = parentOf(at, all::containsKey).map(all::get);
            trouble =
                    Optional.ofNullable(ownTrouble(at, parent, all.values()))
                            .map(what -> new Trouble(id, what));
            at = parent.orElse(null);
        }
        Optional<Trouble> verdict = trouble;
        way.forEach(id -> known.put(id, verdict));
        return verdict.orElse(null);
    }

    private static String ownTrouble(Found found, Optional<Found> parent, Collection<Found> all) {
        if (found.trouble() != null) {
            return found.trouble();
        }
        Optional<ParentLink> link = found.image().parent();
        if (link.isEmpty()) {
            return null;
        }
        if (parent.isEmpty()) {
            return StoreParents.missing(link.get()) + elsewhere(link.get(), all);
        }
        ImageInfo image = parent.get().image();
        UUID uuid = image == null ? null : image.uuid().orElse(ParentLink.RAW);
        return image == null || uuid.equals(link.get().imageUuid())
                ? null
                : "%s is not the image that it was made on: it has the UUID %s, expected is %s%s"
                        .formatted(
                                parent.get().volume().id(),
                                uuid,
                                link.get().imageUuid(),
                                elsewhere(link.get(), all));
    }

    /** Whether the image that is missed is there under another name. */
    private static String elsewhere(ParentLink link, Collection<Found> all) {
        return all.stream()
                .filter(other -> !link.isRaw() && other.image() != null)
                .filter(other -> other.image().uuid().equals(Optional.of(link.imageUuid())))
                .findFirst()
                .map(other -> "; " + other.volume().id() + " has that UUID: was it renamed?")
                .orElse("");
    }

    // ---- one of them

    /** Looks at one disk again. */
    VdiInfo inspect(VolumeInfo volume, Operation operation) {
        Found found = lookAt(volume, operation);
        if (found == null) {
            throw ErrorCode.VDI_NOT_ON_STORAGE.because(
                    "there is no disk " + volume.id().uuid() + " in this repository");
        }
        tree.put(node(found, id -> store.find(id).isPresent()));
        String trouble = found.trouble();
        if (trouble == null && found.image().parent().isPresent()) {
            ParentLink link = found.image().parent().get();
            trouble = parents.lookUp(link).isPresent() ? null : StoreParents.missing(link);
        }
        boolean tracked = store.find(ChangeTracking.log(volume.id().uuid())).isPresent();
        return info(found, parentOf(found, id -> store.find(id).isPresent()), tracked, trouble);
    }

    /** Makes sure that everything that is there is in the tree, and nothing else. */
    void completeTree(Operation operation) {
        Set<VolumeId> there = new HashSet<>(store.ids());
        there.removeIf(id -> !id.kind().isDisk());
        for (VolumeId known : tree.known()) {
            if (!there.contains(known)) {
                tree.remove(known);
            }
        }
        List<VolumeInfo> unknown =
                there.stream()
                        .filter(id -> !tree.knows(id))
                        .flatMap(id -> store.find(id).stream())
                        .toList();
        lookAtAll(unknown, operation).forEach(each -> tree.put(node(each, there::contains)));
    }

    private static VdiInfo info(
            Found found, Optional<VolumeId> parent, boolean tracked, String trouble) {
        VolumeInfo volume = found.volume();
        Map<String, String> attributes = volume.attributes();
        Map<String, String> smConfig = new HashMap<>();
        smConfig.put("vdi_type", volume.id().kind() == VolumeKind.VHD ? "vhd" : "aio");
        parent.ifPresent(id -> smConfig.put("vhd-parent", id.uuid().toString()));
        if (attributes.containsKey(Allocation.ATTRIBUTE)) {
            smConfig.put(Allocation.ATTRIBUTE, attributes.get(Allocation.ATTRIBUTE));
        }
        boolean hidden = isHidden(found);
        String name = hidden ? DiskAttributes.BASE_COPY : volume.id().uuid().toString();
        return new VdiInfo(
                volume.id().uuid(),
                volume.id().kind(),
                found.image() == null ? 0 : found.image().sizeBytes(),
                volume.allocatedBytes(),
                volume.readOnly() || DiskAttributes.isReadOnly(attributes),
                !hidden && found.image() != null,
                attributes.getOrDefault(DiskAttributes.LABEL, name),
                attributes.getOrDefault(DiskAttributes.DESCRIPTION, ""),
                parent.map(VolumeId::uuid),
                DiskAttributes.snapshot(attributes),
                smConfig,
                tracked,
                state(found, trouble));
    }

    private static VdiState state(Found found, String trouble) {
        if (trouble != null) {
            return new VdiState.Quarantined(trouble);
        }
        return found.image().clean() ? new VdiState.Valid() : new VdiState.Unclean();
    }
}
