// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import java.nio.file.Path;

/**
 * A device through which a LUN can be reached, as the host shows it now.
 *
 * @param node the device node
 * @param number {@code major:minor}, which tells two devices of the same name apart
 * @param place where it is, for a person: host, channel, target and LUN
 * @param blockBytes its logical block
 * @param sizeBytes how large it is
 * @param usable whether the kernel sends it commands
 * @param rank 0 when the array serves this path as well as any, more when it would rather not
 * @param cached whether what was written and not flushed may be lost without this host
 */
public record PathCandidate(
        Path node,
        String number,
        String place,
        int blockBytes,
        long sizeBytes,
        boolean usable,
        int rank,
        boolean cached) {
    /** What it is, for a person. */
    public String describe() {
        return place.isEmpty() ? node.toString() : node + " (" + place + ")";
    }

    boolean isSameDevice(PathCandidate other) {
        return node.equals(other.node) && number.equals(other.number) && place.equals(other.place);
    }
}
