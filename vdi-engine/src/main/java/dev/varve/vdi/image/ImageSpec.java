// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.Optional;
import java.util.UUID;

/**
 * An image to be made.
 *
 * @param uuid the image's own UUID; two images of a chain never share one
 * @param sizeBytes the size of the disk
 * @param maximumBytes how large the disk can become later without moving anything; at least its
 *     size
 * @param parent the image that it rests on; without one, the disk reads as zero
 */
public record ImageSpec(UUID uuid, long sizeBytes, long maximumBytes, Optional<ParentLink> parent) {
    /** A disk of its own that can become as large as the format allows. */
    public static ImageSpec plain(UUID uuid, long sizeBytes) {
        return new ImageSpec(uuid, sizeBytes, Long.MAX_VALUE, Optional.empty());
    }
}
