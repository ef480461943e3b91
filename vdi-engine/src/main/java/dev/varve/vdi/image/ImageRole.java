// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.Optional;
import java.util.UUID;

/**
 * What an image is to the others of its tree. Two images that became one, or an image that comes to
 * rest on another one, keep their content and change this.
 *
 * @param uuid the image's own UUID, by which those that rest on it know it
 * @param hidden whether it is an inner node
 * @param parent the image below, where there is one
 */
public record ImageRole(UUID uuid, boolean hidden, Optional<ParentLink> parent) {
    /** The role that an image has. */
    public static ImageRole of(ImageInfo info) {
        return new ImageRole(info.uuid().orElse(ParentLink.RAW), info.hidden(), info.parent());
    }

    /** The same role under another UUID. */
    public ImageRole withUuid(UUID other) {
        return new ImageRole(other, hidden, parent);
    }

    /** The same role as an inner node, or not as one. */
    public ImageRole withHidden(boolean nowHidden) {
        return new ImageRole(uuid, nowHidden, parent);
    }

    /** The same role on another image, or on none. */
    public ImageRole withParent(Optional<ParentLink> other) {
        return new ImageRole(uuid, hidden, other);
    }
}
