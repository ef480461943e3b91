// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.shared.Survey.Neighbour;

import java.util.List;

/**
 * Looks at the area on behalf of the host in one place: each look also shows whether this host has
 * been put out, and for how long the others have been silent.
 *
 * <p><b>Threads:</b> any.
 */
final class Looking {
    private final ClaimArea area;
    private final OwnSlot own;
    private final Lease lease;
    private final Watch watch = new Watch();
    private final Pace pace;
    private volatile List<Integer> neighbours = List.of();

    Looking(ClaimArea area, OwnSlot own, Lease lease, Pace pace) {
        this.area = area;
        this.own = own;
        this.lease = lease;
        this.pace = pace;
    }

    /**
     * Looks at all places.
     *
     * @throws dev.varve.vdi.StorageException SR_UNAVAILABLE when this host has been put out
     */
    Survey look() {
        long begin = pace.now();
        Survey survey = Survey.of(area);
        long end = pace.now();
        boolean ours =
                survey.record(own.slot())
                        .map(record -> record.incarnation() == own.incarnation())
                        .orElse(false);
        if (!ours) {
            loseTo("another host has taken its place");
        } else if (survey.isBeingRemoved(own.slot(), own.incarnation())) {
            loseTo("another host has put it out, because it was silent for too long");
        }
        List<Neighbour> found = survey.neighbours(own.slot());
        found.forEach(each -> watch.note(each.slot(), each.record(), begin, end));
        neighbours = found.stream().map(Neighbour::slot).toList();
        return survey;
    }

    void loseTo(String why) {
        lease.lose(
                "the claims of this host on %s are lost: %s. Detach the repository and attach it"
                                .formatted(area.name(), why)
                        + " again");
        lease.require();
    }

    /** For how long at least another host has been silent. */
    long silentNanos(Neighbour other) {
        return silentNanos(other.slot(), other.record());
    }

    long silentNanos(int slot, HostRecord record) {
        return watch.silentNanos(slot, record);
    }

    /** The places of the others, as they were when last looked at. */
    List<Integer> neighbours() {
        return neighbours;
    }
}
