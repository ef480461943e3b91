// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import java.util.Optional;

/**
 * What is kept about a disk next to its image, and cannot be told from that.
 *
 * @param label its name
 * @param description what a person wrote about it
 * @param readOnly whether it may only be read
 * @param snapshot what makes it a snapshot, if it is one
 */
public record DiskNotes(
        String label, String description, boolean readOnly, Optional<SnapshotMark> snapshot) {}
