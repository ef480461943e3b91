// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.List;
import java.util.UUID;

/**
 * What an image says of the one that it rests on.
 *
 * @param names the names under which the parent may be found, without directories, the most
 *     trustworthy first; at least one
 * @param imageUuid the UUID in the parent's image; zero when the parent is raw and has none
 */
public record ParentLink(List<String> names, UUID imageUuid) {
    /** What stands for the UUID of a parent without metadata. */
    public static final UUID RAW = new UUID(0, 0);

    /** Copies the names. */
    public ParentLink {
        names = List.copyOf(names);
    }

    /** A link to a parent with one name. */
    public ParentLink(String name, UUID imageUuid) {
        this(List.of(name), imageUuid);
    }

    /** Whether the parent is plain content. */
    public boolean isRaw() {
        return imageUuid.equals(RAW);
    }
}
