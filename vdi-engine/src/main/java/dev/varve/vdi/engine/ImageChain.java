// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.image.Mapping;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The images that a disk consists of, from the bottom to the leaf, which is the one that is
 * written.
 *
 * <p>The chain changes between two requests, without waiting for any: each request holds the {@link
 * Version} that it began with, writes go on to the leaf of that version, and what a change leaves
 * behind is taken care of when the last request of the version is over.
 *
 * <p><b>Invariants:</b> the position of a layer changes only when two layers below it become one. A
 * layer that is not the leaf of the present version gets no new writes, only the rest of those that
 * began earlier.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class ImageChain {
    /** The most layers that a disk can have. */
    static final int MOST_LAYERS = 30_000;

    /** The chain as it was when some requests began. */
    static final class Version {
        final OpenLayer leaf;

        /** The merge that writes of this version have to mind, or null. */
        final LiveMerge merge;

        private final List<Runnable> whenOver = new ArrayList<>(2);
        private int leafIndex;
        private boolean joined;
        private int requests;

        private Version(OpenLayer leaf, int leafIndex, LiveMerge merge) {
            this.leaf = leaf;
            this.leafIndex = leafIndex;
            this.merge = merge;
        }

        /** The position of the leaf, or of the layer that it became a part of. */
        int leafIndex() {
            return leafIndex;
        }

        /**
         * Whether at that position there is another image by now, that the leaf was joined with.
         */
        boolean isJoined() {
            return joined;
        }
    }

    private final ArrayDeque<Version> versions = new ArrayDeque<>();
    private OpenLayer[] layers;
    private Version current;
    private ChainIndex index;

    /**
     * @param layers from the bottom to the leaf
     */
    ImageChain(List<OpenLayer> layers) {
        this.layers = layers.toArray(OpenLayer[]::new);
        begin();
        if (this.layers.length > 1) {
            index = new ChainIndex(this);
        }
    }

    private void begin() {
        begin(null);
    }

    private void begin(LiveMerge merge) {
        current = new Version(layers[layers.length - 1], layers.length - 1, merge);
        versions.add(current);
    }

    OpenLayer leaf() {
        return current.leaf;
    }

    int depth() {
        return layers.length;
    }

    OpenLayer layer(int position) {
        return layers[position];
    }

    long sizeBytes() {
        return current.leaf.layer().sizeBytes();
    }

    /** A request begins. */
    Version enter() {
        current.requests++;
        return current;
    }

    /** A request is over. */
    void leave(Version version) {
        version.requests--;
        if (version != current && version.requests == 0) {
            settle();
        }
    }

    /** Versions end in the order in which they began. */
    private void settle() {
        while (versions.peek() != current && versions.peek().requests == 0) {
            List<Runnable> actions = versions.remove().whenOver;
            for (int i = 0; i < actions.size(); i++) {
                actions.get(i).run();
            }
        }
    }

    /**
     * Begins a new version of the same chain.
     *
     * @param whenOver run when all requests that began before have ended; perhaps at once
     */
    void renew(Runnable whenOver) {
        renew(current.merge, whenOver);
    }

    /**
     * Begins a new version of the same chain, whose writes mind a merge, or with null none.
     *
     * @param whenOver run when all requests that began before have ended; perhaps at once
     */
    void renew(LiveMerge merge, Runnable whenOver) {
        current.whenOver.add(whenOver);
        begin(merge);
        settle();
    }

    /** The merge that new writes have to mind, or null. */
    LiveMerge merge() {
        return current.merge;
    }

    /** Puts a layer on top, which takes all writes from now on. */
    void push(OpenLayer child, Runnable whenOver) {
        layers = Arrays.copyOf(layers, layers.length + 1);
        layers[layers.length - 1] = child;
        if (index == null) {
            index = new ChainIndex(this);
        }
        renew(null, whenOver);
    }

    /**
     * Has one layer serve what two did that lie one upon the other. Both hold the same as it, where
     * they show, until the last request is over that began before.
     *
     * @param upper the upper one
     * @param joined what takes their place
     */
    void join(OpenLayer upper, OpenLayer joined, Runnable whenOver) {
        int position = positionOf(upper);
        Invariant.check(position > 0, "a layer that is joined with the one below is in the chain");
        OpenLayer[] changed = new OpenLayer[layers.length - 1];
        System.arraycopy(layers, 0, changed, 0, position);
        System.arraycopy(layers, position + 1, changed, position, changed.length - position);
        changed[position - 1] = joined;
        layers = changed;
        for (Version version : versions) {
            boolean concerned = version.leafIndex >= position;
            version.joined |= version.leafIndex == position && version.leaf != joined;
            version.leafIndex -= concerned ? 1 : 0;
        }
        if (layers.length == 1) {
            index.release();
            index = null;
        } else {
            index.joined(position);
        }
        renew(position == layers.length ? null : current.merge, whenOver);
    }

    int positionOf(OpenLayer layer) {
        return Arrays.asList(layers).indexOf(layer);
    }

    /** Puts another view of the same image in the place of a layer that is not the leaf. */
    void replace(OpenLayer old, OpenLayer same, Runnable whenOver) {
        OpenLayer[] changed = layers.clone();
        for (int i = 0; i < changed.length; i++) {
            changed[i] = changed[i] == old ? same : changed[i];
        }
        layers = changed;
        renew(whenOver);
    }

    /** Tells where a range begins and how far the same answer holds: DATA or ZERO. */
    void locate(BlockRequest request, long offset, long length, Mapping answer) {
        if (index != null) {
            index.locate(request, offset, length, answer);
            return;
        }
        layers[0].layer().lookup(request, offset, length, answer);
        answer.layer = 0;
        if (answer.kind == Mapping.Kind.ABSENT) {
            answer.zero(answer.length);
        }
    }

    /** A range was written to the layer at a position. */
    void written(int position, long offset, long length) {
        if (index != null) {
            index.written(position, offset, length);
        }
    }

    /** The disk has another size now; no request is in flight. */
    void resized(long oldSizeBytes) {
        if (index != null) {
            index.resized(oldSizeBytes);
        }
    }

    /** Lets go of what was worked out about the layers. */
    void release() {
        if (index != null) {
            index.release();
        }
    }
}
