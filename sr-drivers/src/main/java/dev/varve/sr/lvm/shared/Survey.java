// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.shared.ClaimTable.Entry;
import dev.varve.sr.lvm.shared.ClaimTable.Removal;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What all places held when they were looked at. Each place is as it was at some moment between the
 * begin and the end of the look, and not all of them at the same: whoever decides by it has written
 * before what the others must see.
 */
final class Survey {
    private static final int MOST_TRIES = 50;

    private final Map<Integer, HostRecord> records = new HashMap<>();
    private final Map<Integer, ClaimTable> tables = new HashMap<>();
    private final Set<Removal> removals = new HashSet<>();
    private final Set<Integer> damaged = new HashSet<>();

    /** A host that is not out, with its claims. */
    record Neighbour(int slot, HostRecord record, List<Entry> claims) {}

    private Survey() {}

    /** Looks at all places. */
    static Survey of(ClaimArea area) {
        Survey survey = new Survey();
        byte[][] bytes = area.readRecords(area.slots());
        for (int slot = 0; slot < bytes.length; slot++) {
            survey.take(area, slot, bytes[slot]);
        }
        return survey;
    }

    /** Takes note of one place; one whose table changes meanwhile is looked at again. */
    private void take(ClaimArea area, int slot, byte[] first) {
        byte[] bytes = first;
        for (int tries = 0; tries < MOST_TRIES; tries++) {
            if (Wire.isZero(bytes)) {
                return;
            }
            Optional<HostRecord> record = HostRecord.parse(bytes, area.sr());
            if (record.isEmpty()) {
                break;
            }
            if (record.get().table().isEmpty()) {
                records.put(slot, record.get());
                return;
            }
            Optional<ClaimTable> table = area.readTable(slot, record.get().table());
            if (table.isPresent()) {
                records.put(slot, record.get());
                tables.put(slot, table.get());
                removals.addAll(table.get().removals());
                return;
            }
            bytes = area.readRecord(slot);
        }
        damaged.add(slot);
    }

    /** What the host of a place says; nothing where none has ever been. */
    Optional<HostRecord> record(int slot) {
        return Optional.ofNullable(records.get(slot));
    }

    /** The table of a place, with what does not count in it. */
    Optional<ClaimTable> table(int slot) {
        return Optional.ofNullable(tables.get(slot));
    }

    boolean isDamaged(int slot) {
        return damaged.contains(slot);
    }

    /** Whether it is certain that the host of a place is out. */
    boolean isOut(int slot, long incarnation) {
        return removals.contains(new Removal(slot, incarnation, true));
    }

    /** Whether somebody has announced at least that he puts the host of a place out. */
    boolean isBeingRemoved(int slot, long incarnation) {
        return isOut(slot, incarnation) || removals.contains(new Removal(slot, incarnation, false));
    }

    /** Whether a removal says something of the host that has the place now. */
    boolean concerns(Removal removal) {
        return record(removal.slot())
                .map(record -> record.incarnation() == removal.incarnation())
                .orElse(false);
    }

    /** The hosts beside the one in a place that are attached and not out. */
    List<Neighbour> neighbours(int self) {
        List<Neighbour> found = new ArrayList<>();
        records.forEach(
                (slot, record) -> {
                    if (slot != self && record.taken() && !isOut(slot, record.incarnation())) {
                        found.add(new Neighbour(slot, record, claims(slot, record)));
                    }
                });
        return found;
    }

    private List<Entry> claims(int slot, HostRecord record) {
        return record.table().claims() == 0 ? List.of() : tables.get(slot).claims();
    }

    /** The last epoch that was given out in another place than the given one. */
    long lastEpoch(int self) {
        long last = 0;
        for (Map.Entry<Integer, HostRecord> each : records.entrySet()) {
            if (each.getKey() != self) {
                last = Math.max(last, each.getValue().lastEpoch());
            }
        }
        return last;
    }

    /** Fails when a place cannot be read: whose claims are in it nobody knows. */
    void requireReadable(ClaimArea area) {
        if (!damaged.isEmpty()) {
            throw ErrorCode.SR_METADATA.because(
                    "the claims of hosts in the places %s of %s are damaged: detach the repository"
                                    .formatted(damaged, area.name())
                            + " on all hosts, and have its claims made anew");
        }
    }
}
