// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ParentLink;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * The images that one image consists of, found by the names that they give of their parents in one
 * place, without an engine.
 *
 * <p><b>Threads:</b> any; calls block.
 */
public final class VhdChain {
    /** The place where images are that rest on each other. */
    @FunctionalInterface
    public interface Neighbours {
        /** What has a name there, or nothing. The caller does not close it. */
        Optional<BlockAccess> open(String name);
    }

    /** An image of a chain. */
    public static final class Layer {
        private final String name;
        private final BlockAccess access;
        private final VhdImage image;

        private Layer(String name, BlockAccess access, VhdImage image) {
            this.name = name;
            this.access = access;
            this.image = image;
        }

        /** Its file. */
        public String name() {
            return name;
        }

        BlockAccess access() {
            return access;
        }

        /** Its metadata, or null where it is plain content. */
        VhdImage image() {
            return image;
        }

        /** How large the disk is that it holds, in bytes. */
        long sizeBytes() {
            return image == null ? access.sizeBytes() : image.footer().currentSize();
        }
    }

    /**
     * Something with a name.
     *
     * @param raw whether it is plain content and not an image
     */
    record Named(String name, BlockAccess access, boolean raw) {}

    /** The way from an image to its parents. Remembers where it was, so that it comes to an end. */
    static final class Way {
        private final Neighbours neighbours;
        private final Set<String> seen = new HashSet<>();

        Way(String top, Neighbours neighbours) {
            this.neighbours = neighbours;
            seen.add(top);
        }

        /**
         * The parent of an image.
         *
         * @throws StorageException VDI_LOAD when it is missing or comes again
         */
        Named next(ParentLink link) {
            for (String name : link.names()) {
                Optional<BlockAccess> found = neighbours.open(name);
                if (found.isPresent()) {
                    if (!seen.add(name)) {
                        throw VhdFooter.invalid(
                                "the chain", "comes back to " + name + ", which rests on itself");
                    }
                    return new Named(name, found.get(), isRaw(link, name, found.get()));
                }
            }
            throw VhdFooter.invalid(
                    "the parent",
                    link.names().getFirst()
                            + (link.isRaw() ? "" : " with the UUID " + link.imageUuid())
                            + " is not next to it");
        }
    }

    private VhdChain() {}

    /** Plain content may look like an image; what it is called tells more than what is in it. */
    private static boolean isRaw(ParentLink link, String name, BlockAccess access) {
        boolean named = name.toLowerCase(Locale.ROOT).endsWith(".vhd");
        return !VhdFormat.looksLikeOne(access) || (link.isRaw() && !named);
    }

    /**
     * What is wrong between an image and its parent, or null.
     *
     * @param image the parent's metadata, or null where it is plain content
     */
    static String mismatch(ParentLink link, String name, VhdImage image) {
        if (image == null) {
            return link.isRaw()
                    ? null
                    : "%s is plain content, expected is an image with the UUID %s"
                            .formatted(name, link.imageUuid());
        }
        return image.footer().uuid().equals(link.imageUuid())
                ? null
                : "%s is not the image that it was made on: it has the UUID %s, expected is %s"
                        .formatted(
                                name,
                                image.footer().uuid(),
                                link.isRaw() ? "plain content" : link.imageUuid());
    }

    /**
     * Opens an image and everything below it.
     *
     * @return from the given image to the bottom
     * @throws StorageException VDI_LOAD when one of them is missing, is another one or cannot be
     *     read
     */
    public static List<Layer> open(String name, BlockAccess top, Neighbours neighbours) {
        List<Layer> layers = new ArrayList<>();
        Way way = new Way(name, neighbours);
        layers.add(new Layer(name, top, VhdImage.read(top)));
        for (ParentLink link = link(layers); link != null; link = link(layers)) {
            Named parent = way.next(link);
            VhdImage image = parent.raw() ? null : VhdImage.read(parent.access());
            String problem = mismatch(link, parent.name(), image);
            if (problem != null) {
                throw VhdFooter.invalid("the parent", problem);
            }
            layers.add(new Layer(parent.name(), parent.access(), image));
        }
        return layers;
    }

    private static ParentLink link(List<Layer> layers) {
        VhdImage image = layers.getLast().image();
        return image == null ? null : image.parent();
    }
}
