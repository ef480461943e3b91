// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.shared.ClaimTable.Entry;
import dev.varve.sr.lvm.shared.ClaimTable.Removal;
import dev.varve.sr.lvm.shared.HostRecord.RequestMark;
import dev.varve.sr.lvm.shared.HostRecord.TableMark;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * The place of this host, and all that is written to it.
 *
 * <p><b>Invariants:</b> the copy of the table that counts on the device is never written. A change
 * that failed may be on the device or not; it is settled before anything else is written, so that
 * what was given up does not come back later.
 *
 * <p><b>Threads:</b> any; writes are made one after the other.
 */
final class OwnSlot {
    private final ClaimArea area;
    private final int slot;
    private final long incarnation;
    private final long inheritedEpoch;
    private final ReentrantLock lock = new ReentrantLock();

    /** What is meant to be on the device. */
    private final Map<UUID, Entry> claims = new TreeMap<>();

    private final Set<Removal> removals = new HashSet<>();

    /** Claims of an earlier process of this host that this one has not taken. */
    private final Set<UUID> inherited = new HashSet<>();

    /** The last record that is certain to be on the device. */
    private HostRecord written;

    /** A record of which that is not certain. */
    private Optional<HostRecord> unsettled = Optional.empty();

    /** Whether the table on the device is not what is meant. */
    private boolean owed;

    private long lastEpoch;

    /**
     * @param record what was written when the place was taken
     * @param table what the place held then
     */
    OwnSlot(ClaimArea area, int slot, HostRecord record, Optional<ClaimTable> table) {
        this.area = area;
        this.slot = slot;
        this.incarnation = record.incarnation();
        this.written = record;
        this.lastEpoch = record.lastEpoch();
        this.inheritedEpoch = record.lastEpoch();
        table.ifPresent(found -> inherit(found, record.table().claims() > 0));
    }

    private void inherit(ClaimTable table, boolean withClaims) {
        removals.addAll(table.removals());
        if (withClaims) {
            for (Entry each : table.claims()) {
                if (each.had() && !each.vdi().equals(ClaimTable.ALL)) {
                    claims.put(each.vdi(), each);
                    inherited.add(each.vdi());
                }
            }
            owed = claims.size() < table.claims().size();
        }
    }

    int slot() {
        return slot;
    }

    long incarnation() {
        return incarnation;
    }

    /** The last epoch that was given out here before this host took the place. */
    long inheritedEpoch() {
        return inheritedEpoch;
    }

    /** The last epoch that was given out here. */
    long lastEpoch() {
        return locked(() -> lastEpoch);
    }

    /** Whether the place is still that of this host, as the device has it now. */
    boolean isOurs() {
        return HostRecord.parse(area.readRecord(slot), area.sr())
                .map(record -> record.taken() && record.incarnation() == incarnation)
                .orElse(false);
    }

    // ---- claims

    Optional<Entry> claim(UUID vdi) {
        return locked(() -> Optional.ofNullable(claims.get(vdi)));
    }

    List<Entry> claims() {
        return locked(() -> new ArrayList<>(claims.values()));
    }

    /** Whether this process has the claim, and not only an earlier one of this host. */
    boolean isTaken(UUID vdi) {
        return locked(
                () -> claims.containsKey(vdi) && claims.get(vdi).had() && !inherited.contains(vdi));
    }

    /** Writes a claim in place of the one there is; when that fails, the old one stays. */
    void put(Entry claim) {
        locked(
                () -> {
                    Entry before = claims.put(claim.vdi(), claim);
                    lastEpoch = Math.max(lastEpoch, claim.epoch());
                    try {
                        write();
                    } catch (RuntimeException | Error e) {
                        set(claim.vdi(), before);
                        owed = true;
                        throw e;
                    }
                    if (claim.had()) {
                        inherited.remove(claim.vdi());
                    }
                    return null;
                });
    }

    /** Makes a claim what it was; when that fails, it becomes so with the next beat. */
    void restore(UUID vdi, Optional<Entry> before) {
        locked(
                () -> {
                    set(vdi, before.orElse(null));
                    owed = true;
                    write();
                    return null;
                });
    }

    private void set(UUID vdi, Entry claim) {
        if (claim == null) {
            claims.remove(vdi);
            inherited.remove(vdi);
        } else {
            claims.put(vdi, claim);
        }
    }

    /** Removes a claim, if it meets a condition; when that fails, it goes with the next beat. */
    void removeIf(UUID vdi, Predicate<Entry> condition) {
        locked(
                () -> {
                    Entry present = claims.get(vdi);
                    if (present != null && condition.test(present)) {
                        set(vdi, null);
                        owed = true;
                        write();
                    }
                    return null;
                });
    }

    // ---- other hosts that are out

    void remove(Removal removal) {
        locked(
                () -> {
                    removals.remove(
                            new Removal(removal.slot(), removal.incarnation(), !removal.certain()));
                    removals.add(removal);
                    owed = true;
                    write();
                    return null;
                });
    }

    void withdraw(Removal removal) {
        locked(
                () -> {
                    removals.remove(removal);
                    owed = true;
                    write();
                    return null;
                });
    }

    /** Forgets removals that say nothing any more. */
    void forget(Predicate<Removal> stale) {
        locked(
                () -> {
                    if (removals.removeIf(stale)) {
                        owed = true;
                    }
                    return null;
                });
    }

    // ---- writing

    /** Says that this host lives, and brings what is owed. */
    void beat() {
        locked(
                () -> {
                    settle();
                    if (owed) {
                        write();
                    }
                    publish(written.beaten());
                    return null;
                });
    }

    /** Shows what is asked of the owner. */
    void ask(RequestMark request, long answered) {
        locked(
                () -> {
                    settle();
                    publish(written.with(request, answered));
                    return null;
                });
    }

    /**
     * Gives the place up, unless this process has claims that were not released.
     *
     * @return whether the place is free now
     */
    boolean free() {
        return locked(
                () -> {
                    if (!inherited.containsAll(claims.keySet())) {
                        return false;
                    }
                    claims.clear();
                    inherited.clear();
                    settle();
                    publish(written.freed());
                    area.flush();
                    return true;
                });
    }

    /** First the copy that does not count, then the record that makes it count. */
    private void write() {
        if (claims.size() + removals.size() > ClaimTable.MOST_ENTRIES) {
            throw ErrorCode.SR_NO_SPACE.because(
                    "a host cannot have more than %,d claims in the repository %s"
                            .formatted(ClaimTable.MOST_ENTRIES, area.sr()));
        }
        settle();
        TableMark old = written.table();
        Collection<Entry> entries = claims.values();
        ClaimTable table =
                new ClaimTable(old.generation() + 1, List.copyOf(entries), List.copyOf(removals));
        TableMark mark =
                new TableMark(1 - old.copy(), table.generation(), entries.size(), removals.size());
        area.writeTable(slot, mark.copy(), table);
        area.flush();
        publish(written.with(mark, lastEpoch));
        owed = false;
        area.flush();
    }

    private void settle() {
        unsettled.ifPresent(this::publish);
    }

    private void publish(HostRecord record) {
        unsettled = Optional.of(record);
        area.writeRecord(slot, record);
        written = record;
        unsettled = Optional.empty();
    }

    private <T> T locked(Supplier<T> work) {
        lock.lock();
        try {
            return work.get();
        } finally {
            lock.unlock();
        }
    }
}
