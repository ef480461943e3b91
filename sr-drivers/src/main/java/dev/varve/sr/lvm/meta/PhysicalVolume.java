// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.List;
import java.util.Map;

/**
 * A physical volume as its group describes it.
 *
 * <p><b>Threads:</b> any; immutable.
 *
 * @param name its name within the group, such as {@code pv0}
 * @param id the identifier that its label has as well
 * @param device where it was last seen: a hint
 * @param status what is set of ALLOCATABLE, EXPORTED
 * @param flags what is set of MISSING
 * @param tags its tags
 * @param deviceSectors how large its device is, in sectors of 512 bytes
 * @param startSector where its first extent begins, in sectors of 512 bytes
 * @param extents how many extents it has
 * @param other what else the group says about it
 */
public record PhysicalVolume(
        String name,
        LvmId id,
        String device,
        List<String> status,
        List<String> flags,
        List<String> tags,
        long deviceSectors,
        long startSector,
        long extents,
        Map<String, ConfigNode> other) {
    /** Copies the lists. */
    public PhysicalVolume {
        status = List.copyOf(status);
        flags = List.copyOf(flags);
        tags = List.copyOf(tags);
    }

    /** Where its first extent begins, in bytes from the start of the device. */
    public long startBytes() {
        return startSector * VolumeGroup.SECTOR_BYTES;
    }

    /** Whether new extents may be taken from it. */
    public boolean isAllocatable() {
        return status.contains("ALLOCATABLE");
    }

    /** Whether the group goes on without it. */
    public boolean isMissing() {
        return flags.contains("MISSING");
    }
}
