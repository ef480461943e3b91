// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * What rests on what in a repository, as far as it was looked at: a cache of what the images say.
 *
 * <p><b>Threads:</b> any.
 */
final class ImageTree {
    /**
     * An image.
     *
     * @param parent what it rests on
     * @param hidden whether it is an inner node, which is there for others only
     * @param readable whether it could be read, so that the parent is known
     */
    record Node(VolumeId id, Optional<VolumeId> parent, boolean hidden, boolean readable) {}

    private final Map<VolumeId, Node> nodes = new HashMap<>();
    private final Map<VolumeId, Set<VolumeId>> children = new HashMap<>();
    private Set<VolumeId> changedSinceScan = new HashSet<>();

    /** Begins a scan, which does not overwrite what is changed from now on. */
    synchronized void scanning() {
        changedSinceScan = new HashSet<>();
    }

    /** Takes over what a scan found. */
    synchronized void scanned(Collection<Node> found) {
        Set<VolumeId> gone = new HashSet<>(nodes.keySet());
        for (Node node : found) {
            gone.remove(node.id());
            if (!changedSinceScan.contains(node.id())) {
                link(node);
            }
        }
        gone.removeAll(changedSinceScan);
        gone.forEach(this::unlink);
    }

    synchronized void put(Node node) {
        changedSinceScan.add(node.id());
        link(node);
    }

    synchronized void remove(VolumeId id) {
        changedSinceScan.add(id);
        unlink(id);
    }

    private void link(Node node) {
        unlink(node.id());
        nodes.put(node.id(), node);
        node.parent()
                .ifPresent(
                        parent ->
                                children.computeIfAbsent(parent, _ -> new HashSet<>())
                                        .add(node.id()));
    }

    private void unlink(VolumeId id) {
        Node old = nodes.remove(id);
        if (old != null && old.parent().isPresent()) {
            children.computeIfPresent(
                    old.parent().get(),
                    (_, others) -> {
                        others.remove(id);
                        return others.isEmpty() ? null : others;
                    });
        }
    }

    /** All images. */
    synchronized List<Node> nodes() {
        return List.copyOf(nodes.values());
    }

    /** The images whose parents are not known: they may rest on any other one. */
    synchronized List<VolumeId> unreadable() {
        return nodes.values().stream().filter(node -> !node.readable()).map(Node::id).toList();
    }

    /** The image of a UUID. */
    synchronized Optional<VolumeId> find(UUID uuid) {
        return nodes.keySet().stream().filter(id -> id.uuid().equals(uuid)).findFirst();
    }

    /** Whether an image is known and an inner node. */
    synchronized boolean isHidden(VolumeId id) {
        Node node = nodes.get(id);
        return node != null && node.hidden();
    }

    synchronized boolean knows(VolumeId id) {
        return nodes.containsKey(id);
    }

    synchronized Set<VolumeId> known() {
        return Set.copyOf(nodes.keySet());
    }

    /** What rests on an image. */
    synchronized Set<VolumeId> children(VolumeId id) {
        return Set.copyOf(children.getOrDefault(id, Set.of()));
    }

    /**
     * The inner nodes that nothing rests on once an image is gone, from the top down. None while
     * there is an image of which that is not known.
     */
    synchronized List<VolumeId> orphansWithout(VolumeId id) {
        List<VolumeId> orphans = new ArrayList<>();
        if (nodes.values().stream().anyMatch(node -> !node.readable() && !node.id().equals(id))) {
            return orphans;
        }
        VolumeId gone = id;
        Node parent = parentOf(id);
        while (parent != null
                && parent.hidden()
                && children.getOrDefault(parent.id(), Set.of()).equals(Set.of(gone))) {
            orphans.add(parent.id());
            gone = parent.id();
            parent = parentOf(gone);
        }
        return orphans;
    }

    private Node parentOf(VolumeId id) {
        Node node = nodes.get(id);
        return node == null ? null : node.parent().map(nodes::get).orElse(null);
    }
}
