// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.engine.ImageMerge;

import java.util.Set;
import java.util.UUID;

/**
 * Two images that can become one.
 *
 * @param child the upper one: an inner node, or the leaf of a disk
 * @param parent the inner node that it rests on, and nothing else does
 * @param direction the cheaper way
 * @param isLeaf whether the upper one is a disk
 * @param disks the disks that are the upper one or rest on it
 * @param root the image at the bottom of the tree
 * @param depth how many images the longest chain through the two has
 * @param bytes how much has to be copied, about
 */
public record Merge(
        UUID child,
        UUID parent,
        ImageMerge.Direction direction,
        boolean isLeaf,
        Set<UUID> disks,
        UUID root,
        int depth,
        long bytes) {
    /** Copies the set. */
    public Merge {
        disks = Set.copyOf(disks);
    }
}
