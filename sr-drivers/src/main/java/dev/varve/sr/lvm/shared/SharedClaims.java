// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.host.Holder;
import dev.varve.sr.lvm.HostFence;
import dev.varve.sr.lvm.shared.ClaimTable.Entry;
import dev.varve.sr.lvm.shared.Survey.Neighbour;
import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Waiting;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/**
 * Claims of hosts in a {@link ClaimArea} that all of them can read and write.
 *
 * <p><b>Why two hosts never have what excludes each other.</b> A host writes in its own place that
 * it asks for a disk, and then looks at all other places; it has the disk when nobody else asks for
 * it or has it. Of two hosts that look, the one that wrote later sees the other, because it wrote
 * before it looked. When each sees the other, the one in the higher place takes its word back and
 * waits, and the other one waits for that: the one-bit algorithm of Burns and Lamport, for each
 * disk on its own. It holds however long a host pauses between any two steps, needs no clock and no
 * command of the device beyond reading and writing, and a place is written by its host alone.
 *
 * <p><b>Epochs</b> are chosen after the disk is had, above all that can be seen, and different in
 * each place. A later holder of the disk has seen the place of the earlier one with its epoch in
 * it.
 *
 * <p><b>What is taken over:</b> claims of an earlier process of this host, unless that process is
 * certain to be another one that lives; claims of a host whose process is certain to be gone, which
 * only a process of the same boot and process namespace can tell; and claims of a host that was
 * silent for a whole term, if the device has reservations and so keeps that host from writing.
 * Without those, silence alone frees nothing: a person says so with {@link #force}.
 *
 * <p><b>What the holder owes:</b> it calls {@link #beat} often, and stops writing to the device
 * while {@link #isFenced()}; the clock of a host that pauses goes on, so it is fenced when it wakes
 * up. A write that was decided on before and reaches the device only after another host has been
 * told that this one is dead is not held back by anything but reservations.
 *
 * <p>A host has one claim on a disk. A host that claims a disk again replaces its claim, and only
 * the last one can be released.
 *
 * <p><b>Threads:</b> any; calls block on the device.
 */
public final class SharedClaims implements Claims, HostFence, AutoCloseable {
    private final ClaimArea area;
    private final UUID host;
    private final ClaimSettings settings;
    private final Pace pace;
    private final Guard guard;
    private final OwnSlot own;
    private final Lease lease;
    private final Looking looking;
    private final Removing removing;
    private final Contest contest;
    private final Set<UUID> busy = new HashSet<>();
    private final ReentrantReadWriteLock maintenance = new ReentrantReadWriteLock();

    private volatile Runnable maintenanceTaken = () -> {};

    private SharedClaims(
            ClaimArea area,
            UUID host,
            Holder self,
            ClaimSettings settings,
            Pace pace,
            Guard guard,
            OwnSlot own) {
        this.area = area;
        this.host = host;
        this.settings = settings;
        this.pace = pace;
        this.guard = guard;
        this.own = own;
        this.lease = new Lease(pace, settings.fenceNanos(), pace.now());
        this.looking = new Looking(area, own, lease, pace);
        this.removing = new Removing(own, self, guard, looking, pace, settings);
        this.contest = new Contest(area, host, settings, pace, own, looking, removing);
    }

    /**
     * Takes a place in the area for this host, which takes a guard's time.
     *
     * @throws StorageException SR_LOCK_FAILED when there is none; DEVICE_IN_USE when the device is
     *     reserved by something else
     */
    public static SharedClaims attach(
            ClaimArea area,
            UUID host,
            ClaimSettings settings,
            Clock clock,
            RandomSource random,
            Waiting waiting) {
        return attach(area, host, Holder.self(), settings, clock, random, waiting);
    }

    static SharedClaims attach(
            ClaimArea area,
            UUID host,
            Holder self,
            ClaimSettings settings,
            Clock clock,
            RandomSource random,
            Waiting waiting) {
        Pace pace = new Pace(clock, waiting);
        Guard guard = new Guard(area, host);
        guard.enter();
        SlotTaking taking = new SlotTaking(area, host, self, guard.key(), settings, pace, random);
        SharedClaims claims =
                new SharedClaims(area, host, self, settings, pace, guard, taking.take());
        claims.beat();
        return claims;
    }

    // ---- life

    /**
     * Says that this host lives, and looks whether it has been put out. To be called once in {@link
     * ClaimSettings#beatNanos()}.
     *
     * @throws StorageException what the device says, or SR_UNAVAILABLE when this host is out
     */
    public void beat() {
        if (lease.isLost()) {
            lease.require();
        }
        long begin = pace.now();
        try {
            if (!own.isOurs()) {
                looking.loseTo("another host has taken its place");
            }
            own.beat();
            Survey survey = looking.look();
            own.forget(removal -> !survey.concerns(removal));
            lease.renewed(begin);
            guard.renew();
        } catch (StorageException e) {
            lease.failed(e.sentence());
            if (!lease.isLost()) {
                // A host that cannot write any more can still see why.
                looking.look();
            }
            throw e;
        }
    }

    @Override
    public boolean isFenced() {
        return lease.isFenced();
    }

    @Override
    public void require() {
        lease.require();
    }

    @Override
    public void onFence(Consumer<Boolean> listener) {
        lease.listen(listener);
    }

    /** Tells listeners what has become of this host by the mere passing of time. */
    void checkFence() {
        lease.tell();
    }

    @Override
    public boolean isLost() {
        return lease.isLost();
    }

    /** Is called when this daemon has taken the claim on the repository itself. */
    void onMaintenance(Runnable listener) {
        maintenanceTaken = listener;
    }

    /** How long this host may go on without another beat. */
    long fenceAfterNanos() {
        return lease.remainingNanos();
    }

    /**
     * Frees what a dead host has claimed. Waits until that host was silent for a whole term.
     *
     * @throws StorageException SR_IN_USE when it lives
     */
    public void force(UUID dead) {
        lease.require();
        if (dead.equals(host)) {
            throw new IllegalArgumentException("host " + host + " is this one");
        }
        removing.force(dead);
    }

    /**
     * Gives the place of this host up. Where there are claims that were not released, it stays, and
     * so do they: what they are for may still be written to.
     */
    @Override
    public void close() {
        pace.close();
        if (!lease.isLost() && own.free()) {
            guard.leave();
        }
    }

    // ---- claims

    @Override
    public Claim acquire(UUID vdi, Mode mode) {
        lease.require();
        Claim claim = exclusively(vdi, () -> contest.take(vdi, mode));
        if (vdi.equals(area.sr())) {
            maintenanceTaken.run();
        }
        return claim;
    }

    /** Takes the claim on the repository itself, unless this daemon or another one has it. */
    Optional<Claim> acquireMaintenance() {
        lease.require();
        UUID sr = area.sr();
        Optional<Claim> claim = takeMaintenance(sr);
        claim.ifPresent(_ -> maintenanceTaken.run());
        return claim;
    }

    private Optional<Claim> takeMaintenance(UUID sr) {
        return exclusively(
                sr,
                () -> {
                    if (own.isTaken(sr)) {
                        return Optional.empty();
                    }
                    try {
                        return Optional.of(contest.take(sr, Mode.WRITE));
                    } catch (StorageException e) {
                        if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                            throw e;
                        }
                        return Optional.empty();
                    }
                });
    }

    @Override
    public void release(Claim claim) {
        if (lease.isLost()) {
            return;
        }
        if (!claim.vdi().equals(area.sr())) {
            remove(claim);
            return;
        }
        maintenance.writeLock().lock();
        try {
            remove(claim);
        } finally {
            maintenance.writeLock().unlock();
        }
    }

    private void remove(Claim claim) {
        exclusively(
                claim.vdi(),
                () -> {
                    own.removeIf(claim.vdi(), each -> each.epoch() == claim.epoch());
                    return null;
                });
    }

    @Override
    public List<Claim> holders(UUID vdi) {
        List<Claim> found = new ArrayList<>();
        own.claim(vdi).filter(Entry::had).ifPresent(each -> found.add(Contest.claim(each, host)));
        for (Neighbour other : looking.look().neighbours(own.slot())) {
            for (Entry each : other.claims()) {
                if (each.had() && each.vdi().equals(vdi)) {
                    found.add(Contest.claim(each, other.record().host()));
                }
            }
        }
        return found;
    }

    // ---- others

    @Override
    public long othersEpoch() {
        return othersEpoch(looking.look());
    }

    private long othersEpoch(Survey survey) {
        return Math.max(survey.lastEpoch(own.slot()), own.inheritedEpoch());
    }

    @Override
    public boolean othersHave() {
        Survey survey = looking.look();
        survey.requireReadable(area);
        return anyOfOthers(survey);
    }

    private boolean anyOfOthers(Survey survey) {
        return !contest.conflicts(survey, ClaimTable.ALL, Mode.WRITE).isEmpty();
    }

    /**
     * {@inheritDoc}
     *
     * <p>Other daemons that claim a disk meanwhile wait. It is false also when another daemon does
     * the same.
     */
    @Override
    public boolean alone(LongConsumer work) {
        lease.require();
        return exclusively(
                ClaimTable.ALL,
                () -> {
                    own.put(new Entry(ClaimTable.ALL, Mode.WRITE, false, 0));
                    try {
                        return workAlone(work);
                    } finally {
                        own.removeIf(ClaimTable.ALL, _ -> true);
                    }
                });
    }

    private boolean workAlone(LongConsumer work) {
        Survey survey = looking.look();
        survey.requireReadable(area);
        if (anyOfOthers(survey)) {
            return false;
        }
        work.accept(othersEpoch(survey));
        return true;
    }

    /** One thread at a time for each disk; the claims of a host are all in one place. */
    private <T> T exclusively(UUID vdi, Supplier<T> work) {
        synchronized (busy) {
            while (!busy.add(vdi)) {
                await();
            }
        }
        try {
            return work.get();
        } finally {
            synchronized (busy) {
                busy.remove(vdi);
                busy.notifyAll();
            }
        }
    }

    private void await() {
        try {
            busy.wait();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.SR_LOCK_FAILED.because("waiting for a claim was interrupted", e);
        }
    }

    // ---- for those who ask and answer

    ClaimArea area() {
        return area;
    }

    ClaimSettings settings() {
        return settings;
    }

    Pace pace() {
        return pace;
    }

    OwnSlot own() {
        return own;
    }

    Looking looking() {
        return looking;
    }

    Removing removing() {
        return removing;
    }

    Lease lease() {
        return lease;
    }

    /** Held for reading by work of the owner, and for writing when ownership is given up. */
    ReentrantReadWriteLock maintenance() {
        return maintenance;
    }
}
