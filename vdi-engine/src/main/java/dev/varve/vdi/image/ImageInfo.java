// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.Optional;
import java.util.UUID;

/**
 * What an image says of itself.
 *
 * @param format the name of the format
 * @param sizeBytes the size of the disk
 * @param blockBytes the unit in which the image takes space, in bytes; 0 when it has none
 * @param uuid the image's own UUID, where the format has one
 * @param parent the image below, where there is one
 * @param hidden whether it is an inner node
 * @param clean whether it was closed in order
 */
public record ImageInfo(
        String format,
        long sizeBytes,
        int blockBytes,
        Optional<UUID> uuid,
        Optional<ParentLink> parent,
        boolean hidden,
        boolean clean) {}
