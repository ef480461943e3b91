// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.host.Holder;
import dev.varve.sr.lvm.shared.ClaimTable.Removal;
import dev.varve.sr.lvm.shared.Survey.Neighbour;
import dev.varve.vdi.ErrorCode;

import java.util.Optional;
import java.util.UUID;

/**
 * Puts hosts out that are dead, so that their claims do not count any more.
 *
 * <p>A host is put out by a removal in the table of another one: nobody writes in a place that is
 * not his. With reservations the device refuses its writes first. Without them it happens in two
 * steps, against a host that wakes up meanwhile:
 *
 * <pre>
 * the one that puts out      write "announced"      look at the beat of the other
 * the other, with each beat  write a new beat       look for "announced"
 * </pre>
 *
 * <p>Each writes before it looks, so at least one of them sees the other: either the removal is
 * withdrawn before anybody goes by it, or the other host finds itself out. This needs no clock.
 * What needs one is that the other host has stopped by itself, {@link Lease}, between its last beat
 * and the removal: three times the time it gives itself has passed then.
 */
final class Removing {
    private final OwnSlot own;
    private final Holder self;
    private final Guard guard;
    private final Looking looking;
    private final Pace pace;
    private final ClaimSettings settings;

    Removing(
            OwnSlot own,
            Holder self,
            Guard guard,
            Looking looking,
            Pace pace,
            ClaimSettings settings) {
        this.own = own;
        this.self = self;
        this.guard = guard;
        this.looking = looking;
        this.pace = pace;
        this.settings = settings;
    }

    /**
     * Puts a host out if that is safe without asking anybody: its process is certain to be gone, or
     * it was silent for the whole term and the device keeps it from writing.
     *
     * @return whether its claims do not count any more
     */
    boolean tryRemove(Neighbour other) {
        if (other.record().holder().isGone(self)) {
            own.remove(certain(other));
            return true;
        }
        return guard.canCutOff(other.record().key())
                && looking.silentNanos(other) >= settings.termNanos()
                && cutOff(other);
    }

    /**
     * Keeps a silent host from writing, so that it can say nothing any more either. If it did at
     * the last moment, it may go on reading for a while: another term has to pass.
     */
    private boolean cutOff(Neighbour other) {
        guard.cutOff(other.record().key());
        Optional<Neighbour> now = find(looking.look(), other);
        if (now.isPresent() && now.get().record().beat() != other.record().beat()) {
            return false;
        }
        own.remove(certain(other));
        return true;
    }

    /**
     * Puts a host out because a person says that it is dead, after it was silent for a whole term.
     *
     * @throws dev.varve.vdi.StorageException SR_IN_USE when it lives
     */
    void force(UUID host) {
        for (Neighbour each : looking.look().neighbours(own.slot())) {
            if (each.record().host().equals(host) && !tryRemove(each)) {
                force(each);
            }
        }
    }

    private void force(Neighbour other) {
        while (looking.silentNanos(other) < settings.termNanos()) {
            pace.rest(settings.beatNanos());
            Optional<Neighbour> now = find(looking.look(), other);
            if (now.isEmpty()) {
                return;
            }
            refuseLiving(other, now.get());
        }
        if (!guard.canCutOff(other.record().key())) {
            announce(other);
        } else if (!cutOff(other)) {
            find(looking.look(), other).ifPresent(this::force);
        }
    }

    private void announce(Neighbour other) {
        Removal announced = new Removal(other.slot(), other.record().incarnation(), false);
        own.remove(announced);
        try {
            find(looking.look(), other).ifPresent(now -> refuseLiving(other, now));
        } catch (RuntimeException | Error e) {
            own.withdraw(announced);
            throw e;
        }
        own.remove(certain(other));
    }

    private static Removal certain(Neighbour other) {
        return new Removal(other.slot(), other.record().incarnation(), true);
    }

    private Optional<Neighbour> find(Survey survey, Neighbour other) {
        return survey.neighbours(own.slot()).stream()
                .filter(now -> now.slot() == other.slot())
                .filter(now -> now.record().incarnation() == other.record().incarnation())
                .findFirst();
    }

    private static void refuseLiving(Neighbour before, Neighbour now) {
        if (now.record().beat() != before.record().beat()) {
            throw ErrorCode.SR_IN_USE.because(
                    "host %s lives: it has said so while it was waited for; detach the repository"
                                    .formatted(now.record().host())
                            + " there, or end its daemon");
        }
    }
}
