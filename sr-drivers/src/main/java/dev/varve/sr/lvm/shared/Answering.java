// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.shared.AnswerMark.State;
import dev.varve.sr.lvm.shared.HostRecord.RequestMark;
import dev.varve.vdi.StorageException;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.Lock;

/**
 * Answers what other hosts ask of the owner. For each request, in this order: read, as the owner,
 * that it is addressed to this process; note durably that it is begun; do it; write the answer;
 * note durably that it is done. A request that was begun is never begun again, by whomever.
 *
 * <p><b>Threads:</b> any; one after the other.
 */
final class Answering {
    /** How many places behind the last known host are looked at: newcomers come there. */
    private static final int NEWCOMERS = 2;

    /** An answer that may not be on the device yet. */
    private record Answer(AnswerMark mark, byte[] bytes) {}

    private final SharedClaims claims;
    private final Ownership ownership;

    /** The last request of each place that was begun. */
    private final Map<Integer, AnswerMark> begun = new HashMap<>();

    private final Map<Integer, Answer> unsent = new HashMap<>();
    private Optional<AnswerRoom> room = Optional.empty();

    Answering(SharedClaims claims, Ownership ownership) {
        this.claims = claims;
        this.ownership = ownership;
    }

    /** Answers all requests that are addressed to this process; tells whether there were some. */
    synchronized boolean answer() {
        for (int slot : List.copyOf(unsent.keySet())) {
            send(slot);
        }
        Map<Integer, HostRecord> askers = read();
        boolean any = false;
        for (Map.Entry<Integer, HostRecord> each : askers.entrySet()) {
            if (isNew(each.getKey(), each.getValue())) {
                serve(each.getKey(), each.getValue(), askers);
                any = true;
            }
        }
        return any;
    }

    private Map<Integer, HostRecord> read() {
        int last = claims.looking().neighbours().stream().max(Integer::compare).orElse(0);
        int count = Math.min(claims.area().slots(), last + 1 + NEWCOMERS);
        byte[][] bytes = claims.area().readRecords(count);
        Map<Integer, HostRecord> found = new HashMap<>();
        for (int slot = 0; slot < count; slot++) {
            int at = slot;
            HostRecord.parse(bytes[slot], claims.area().sr())
                    .filter(HostRecord::taken)
                    .filter(_ -> at != claims.own().slot())
                    .ifPresent(record -> found.put(at, record));
        }
        return found;
    }

    private boolean isNew(int slot, HostRecord record) {
        RequestMark request = record.request();
        AnswerMark last = begun.get(slot);
        return request.id() != 0
                && request.owner() == claims.own().incarnation()
                && (last == null || !last.answers(record.incarnation(), request.id()));
    }

    // ---- one request

    /** Ownership is not given up meanwhile. */
    private void serve(int slot, HostRecord seen, Map<Integer, HostRecord> askers) {
        Lock lock = claims.maintenance().readLock();
        lock.lock();
        try {
            if (ownership.isOwner() && isStill(slot, seen)) {
                begin(slot, seen, askers);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Whether it is still addressed to this process, now that it surely is the owner. */
    private boolean isStill(int slot, HostRecord seen) {
        return HostRecord.parse(claims.area().readRecord(slot), claims.area().sr())
                .filter(now -> now.incarnation() == seen.incarnation())
                .filter(now -> now.request().equals(seen.request()))
                .isPresent();
    }

    private void begin(int slot, HostRecord asker, Map<Integer, HostRecord> askers) {
        Optional<byte[]> request = request(slot, asker.request());
        if (request.isEmpty()) {
            return;
        }
        OptionalInt block =
                room().reserve(
                                slot,
                                asker.incarnation(),
                                asker.request().id(),
                                (other, incarnation, id) ->
                                        isNeeded(other, askers.get(other), incarnation, id));
        if (block.isEmpty()) {
            return;
        }
        AnswerMark mark =
                new AnswerMark(
                        State.BEGUN,
                        block.getAsInt(),
                        asker.incarnation(),
                        asker.request().id(),
                        0,
                        0);
        unsent.remove(slot);
        begun.put(slot, mark);
        claims.area().writeMark(claims.own().slot(), slot, mark);
        claims.area().flush();
        if (ownership.isOwner()) {
            carryOut(slot, mark, request.get());
        }
    }

    /** A request that is being written, or not meant for reading any more, has another checksum. */
    private Optional<byte[]> request(int slot, RequestMark mark) {
        if (mark.length() < 0 || mark.length() > ClaimArea.MOST_MESSAGE_BYTES) {
            return Optional.empty();
        }
        return Optional.of(claims.area().readRequest(slot, mark.length()))
                .filter(bytes -> Wire.checksum(bytes) == mark.checksum());
    }

    private boolean isNeeded(int slot, HostRecord asker, long incarnation, long id) {
        return asker != null
                && asker.incarnation() == incarnation
                && asker.answered() < id
                && claims.looking().silentNanos(slot, asker) < claims.settings().termNanos();
    }

    private AnswerRoom room() {
        if (room.isEmpty()) {
            room = Optional.of(new AnswerRoom(claims.area().readMarks(claims.own().slot())));
        }
        return room.get();
    }

    private void carryOut(int slot, AnswerMark mark, byte[] request) {
        try {
            byte[] answer = ownership.answerTo(request);
            if (answer.length > ClaimArea.MOST_MESSAGE_BYTES) {
                throw new IllegalStateException(answer.length + " bytes are too long an answer");
            }
            keep(slot, mark, State.DONE, answer);
        } catch (StorageException e) {
            keep(slot, mark, State.REFUSED, text(e.sentence()));
        } catch (RuntimeException | Error e) {
            keep(slot, mark, State.REFUSED, text("the owner failed: " + e));
            throw e;
        }
        send(slot);
    }

    private static byte[] text(String message) {
        byte[] bytes = message.getBytes(StandardCharsets.UTF_8);
        return Arrays.copyOf(bytes, Math.min(bytes.length, ClaimArea.MOST_MESSAGE_BYTES));
    }

    private void keep(int slot, AnswerMark begin, State state, byte[] answer) {
        AnswerMark mark =
                new AnswerMark(
                        state,
                        begin.block(),
                        begin.asker(),
                        begin.id(),
                        answer.length,
                        Wire.checksum(answer));
        room().shrink(slot, mark);
        unsent.put(slot, new Answer(mark, answer));
    }

    /** Writes an answer; one that fails is written again at the next time. */
    private void send(int slot) {
        Answer answer = unsent.get(slot);
        int own = claims.own().slot();
        claims.area().writeAnswer(own, answer.mark().block(), answer.bytes());
        claims.area().flush();
        claims.area().writeMark(own, slot, answer.mark());
        claims.area().flush();
        unsent.remove(slot);
    }
}
