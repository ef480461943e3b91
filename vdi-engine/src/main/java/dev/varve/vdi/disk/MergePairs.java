// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Finds the images of a tree that can be merged with the one below. Without side effects. */
final class MergePairs {
    /** The longest chains first; of those, what costs least. */
    static final Comparator<Merge> BEST_FIRST =
            Comparator.comparingInt((Merge merge) -> -merge.depth())
                    .thenComparingLong(Merge::bytes)
                    .thenComparing(Merge::child);

    /** As {@link Merge}, without costs. */
    record Pair(
            VolumeId child,
            VolumeId parent,
            boolean isLeaf,
            Set<UUID> disks,
            VolumeId root,
            int depth) {}

    private final Map<VolumeId, ImageTree.Node> nodes = new HashMap<>();
    private final Map<VolumeId, List<VolumeId>> children = new HashMap<>();

    MergePairs(Collection<ImageTree.Node> all) {
        all.forEach(node -> nodes.put(node.id(), node));
        for (ImageTree.Node node : all) {
            node.parent()
                    .ifPresent(
                            parent ->
                                    children.computeIfAbsent(parent, _ -> new ArrayList<>())
                                            .add(node.id()));
        }
    }

    List<Pair> all() {
        List<Pair> found = new ArrayList<>();
        for (ImageTree.Node node : nodes.values()) {
            if (node.parent().isPresent() && canMerge(node, node.parent().get())) {
                found.add(pair(node, node.parent().get()));
            }
        }
        return found;
    }

    /** An inner node that nothing rests on is garbage, and a disk with others on it is nobody's. */
    private boolean canMerge(ImageTree.Node node, VolumeId parentId) {
        ImageTree.Node parent = nodes.get(parentId);
        return parent != null
                && parent.hidden()
                && children.get(parentId).size() == 1
                && node.hidden() != above(node.id()).isEmpty();
    }

    private List<VolumeId> above(VolumeId id) {
        return children.getOrDefault(id, List.of());
    }

    private Pair pair(ImageTree.Node node, VolumeId parent) {
        Set<UUID> disks = new HashSet<>();
        int height = height(node.id(), disks);
        int below = 0;
        VolumeId root = node.id();
        Set<VolumeId> seen = new HashSet<>(); // damaged images may come back to themselves
        while (seen.add(root)
                && nodes.containsKey(root)
                && nodes.get(root).parent().filter(nodes::containsKey).isPresent()) {
            root = nodes.get(root).parent().get();
            below++;
        }
        return new Pair(node.id(), parent, !node.hidden(), disks, root, height + below);
    }

    /** How many images the longest chain from here upward has; takes note of the disks. */
    private int height(VolumeId from, Set<UUID> disks) {
        int height = 0;
        List<VolumeId> level = List.of(from);
        Set<VolumeId> seen = new HashSet<>(level);
        while (!level.isEmpty()) {
            height++;
            List<VolumeId> next = new ArrayList<>();
            for (VolumeId id : level) {
                if (!nodes.get(id).hidden()) {
                    disks.add(id.uuid());
                }
                above(id).stream().filter(seen::add).forEach(next::add);
            }
            level = next;
        }
        return height;
    }
}
