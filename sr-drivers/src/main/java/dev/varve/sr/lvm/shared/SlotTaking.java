// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.host.Holder;
import dev.varve.sr.lvm.shared.HostRecord.RequestMark;
import dev.varve.sr.lvm.shared.HostRecord.TableMark;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.RandomSource;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * Takes a place for this host, in the way of delta leases (Chockler and Malkhi, "Light-Weight
 * Leases for Storage-Centric Coordination"): look, write, wait, and look whether it was left. This
 * is the only moment when two hosts may write the same sector.
 *
 * <p><b>Why one of two gets it.</b> A host whose look and write were more than half of the guard
 * apart begins again. So who has looked before another one's write has written itself within half a
 * guard of that write, and after a whole guard each finds the name of the one that wrote last.
 *
 * <p><b>What is assumed:</b> a write takes effect, or never does, within half of the guard, and the
 * clocks of hosts run about equally fast. A write that stays on its way for longer can take the
 * place of another host away from it, which that one finds with its next beat. Hosts choose the
 * place that they had before, and else one where nobody has been, so that this needs two hosts
 * which attach the repository for the first time in the same instant.
 *
 * <p>The place of a host that is out, or whose process is known to be gone, counts as free. That of
 * an earlier process of this host is taken over with its claims.
 */
final class SlotTaking {
    private static final int MOST_TRIES = 20;

    private final ClaimArea area;
    private final UUID host;
    private final Holder self;
    private final long key;
    private final ClaimSettings settings;
    private final Pace pace;
    private final RandomSource random;

    SlotTaking(
            ClaimArea area,
            UUID host,
            Holder self,
            long key,
            ClaimSettings settings,
            Pace pace,
            RandomSource random) {
        this.area = area;
        this.host = host;
        this.self = self;
        this.key = key;
        this.settings = settings;
        this.pace = pace;
        this.random = random;
    }

    OwnSlot take() {
        for (int tries = 0; tries < MOST_TRIES; tries++) {
            long begin = pace.now();
            Survey survey = Survey.of(area);
            int slot = choose(survey);
            HostRecord mine = record(survey, slot);
            if (isLate(begin)) {
                continue;
            }
            area.writeRecord(slot, mine);
            area.flush();
            if (isLate(begin)) {
                continue;
            }
            pace.rest(settings.guardNanos());
            OwnSlot taken = new OwnSlot(area, slot, mine, survey.table(slot));
            if (taken.isOurs()) {
                return taken;
            }
        }
        throw ErrorCode.SR_LOCK_FAILED.because(
                "the device %s answers too slowly, or too many hosts come at once, to get a place"
                                .formatted(area.name())
                        + " among the hosts of the repository: try again");
    }

    private boolean isLate(long begin) {
        return pace.now() - begin > settings.guardNanos() / 2;
    }

    private int choose(Survey survey) {
        return first(survey, slot -> wasOurs(survey, slot))
                .or(() -> first(survey, slot -> survey.record(slot).isEmpty()))
                .or(() -> first(survey, slot -> isFree(survey, slot)))
                .orElseThrow(this::full);
    }

    private Optional<Integer> first(Survey survey, IntPredicate condition) {
        return IntStream.range(0, area.slots())
                .filter(slot -> !survey.isDamaged(slot))
                .filter(condition)
                .boxed()
                .findFirst();
    }

    private boolean wasOurs(Survey survey, int slot) {
        return survey.record(slot)
                .filter(record -> record.host().equals(host))
                .filter(record -> !record.taken() || !record.holder().livesBeside(self))
                .isPresent();
    }

    private boolean isFree(Survey survey, int slot) {
        return survey.record(slot)
                .filter(
                        record ->
                                !record.taken()
                                        || survey.isOut(slot, record.incarnation())
                                        || record.holder().isGone(self))
                .isPresent();
    }

    private RuntimeException full() {
        return ErrorCode.SR_LOCK_FAILED.because(
                "all %d places for hosts on %s are taken: detach the repository from a host"
                                .formatted(area.slots(), area.name())
                        + " that does not need it, or free the claims of one that is dead");
    }

    private HostRecord record(Survey survey, int slot) {
        Optional<HostRecord> old = survey.record(slot);
        return new HostRecord(
                area.sr(),
                host,
                self,
                incarnation(),
                1,
                true,
                old.map(record -> inherited(survey, slot, record)).orElse(TableMark.NONE),
                old.map(HostRecord::lastEpoch).orElse(0L),
                key,
                RequestMark.NONE,
                0);
    }

    /** Claims are inherited from an earlier process of this host only; removals always. */
    private TableMark inherited(Survey survey, int slot, HostRecord old) {
        boolean claims =
                old.taken() && old.host().equals(host) && !survey.isOut(slot, old.incarnation());
        TableMark mark = old.table();
        return new TableMark(
                mark.copy(), mark.generation(), claims ? mark.claims() : 0, mark.removals());
    }

    private long incarnation() {
        byte[] bytes = new byte[Long.BYTES];
        random.bytes(bytes);
        return ByteBuffer.wrap(bytes).getLong() | 1;
    }
}
