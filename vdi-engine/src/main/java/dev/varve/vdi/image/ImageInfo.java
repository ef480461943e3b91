// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.Optional;
import java.util.UUID;

/**
 * What an image says of itself.
 *
 * @param format the name of the format
 * @param sizeBytes the size of the disk
 * @param uuid the image's own UUID, where the format has one
 * @param parent the UUID of the image below, where there is one
 * @param hidden whether it is an inner node
 * @param clean whether it was closed in order
 */
public record ImageInfo(
        String format,
        long sizeBytes,
        Optional<UUID> uuid,
        Optional<UUID> parent,
        boolean hidden,
        boolean clean) {}
