// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.shared.HostRecord.RequestMark;
import dev.varve.sr.lvm.shared.Survey.Neighbour;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Asks the owner, one request after the other.
 *
 * <p>A request is addressed to one incarnation of an owner, which alone may begin it. It is
 * addressed to another one only when these hold, in this order: it is addressed to nobody; a look
 * at the area after that shows that the former one is not the owner; and that one has not noted
 * that it began. An owner begins a request only after it has read, as the owner, that the request
 * is addressed to it, and notes it before it does anything. So no two of them begin the same one.
 *
 * <p><b>Threads:</b> any; one after the other.
 */
final class Asking {
    /** Somebody who has been asked. */
    private record Asked(int slot, long incarnation) {}

    private final SharedClaims claims;
    private final Ownership ownership;
    private final ReentrantLock lock = new ReentrantLock();
    private long lastId;
    private long lastAnswered;

    Asking(SharedClaims claims, Ownership ownership) {
        this.claims = claims;
        this.ownership = ownership;
    }

    byte[] ask(byte[] request) {
        lock.lock();
        try {
            claims.lease().require();
            claims.area().writeRequest(claims.own().slot(), request);
            int checksum = Wire.checksum(request);
            return new Question(request, new RequestMark(++lastId, 0, request.length, checksum))
                    .answer();
        } finally {
            lock.unlock();
        }
    }

    /** One request, until it is answered. */
    private final class Question {
        private final byte[] request;
        private final RequestMark mark;
        private final long deadline = claims.pace().now() + claims.settings().askNanos();
        private final Set<Asked> asked = new LinkedHashSet<>();
        private Optional<Asked> addressed = Optional.empty();
        private long nextLook = claims.pace().now();

        Question(byte[] request, RequestMark mark) {
            this.request = request;
            this.mark = mark;
        }

        byte[] answer() {
            long rest = claims.settings().quickNanos();
            try {
                while (claims.pace().now() - deadline < 0) {
                    Optional<byte[]> answer = addressed.isPresent() ? await() : address();
                    if (answer.isPresent()) {
                        return answer.get();
                    }
                    claims.pace().rest(rest);
                    rest = Math.min(claims.settings().idleNanos(), rest + rest / 8 + 1);
                }
            } finally {
                close();
            }
            return tooLate();
        }

        /** Takes the request back. Where that fails it is brought with the next beat. */
        private void close() {
            lastAnswered = mark.id();
            try {
                show(RequestMark.NONE);
            } catch (StorageException e) {
                claims.lease().failed(e.sentence());
            }
        }

        /** Finds whom to ask, while the request is addressed to nobody. */
        private Optional<byte[]> address() {
            Optional<Neighbour> owner = ownership.owner(claims.looking().look());
            if (owner.isEmpty()) {
                return ownership.answerHere(request, () -> formerAnswer(Optional.empty()));
            }
            Asked next = new Asked(owner.get().slot(), owner.get().record().incarnation());
            Optional<byte[]> answer = formerAnswer(Optional.of(next));
            if (answer.isEmpty()) {
                asked.add(next);
                addressed = Optional.of(next);
                show(mark.to(next.incarnation()));
            }
            return answer;
        }

        /** What those have left behind that were asked before and are not the owner now. */
        private Optional<byte[]> formerAnswer(Optional<Asked> owner) {
            for (Asked each : asked) {
                Optional<byte[]> answer =
                        owner.equals(Optional.of(each)) ? Optional.empty() : outcome(each);
                if (answer.isPresent()) {
                    return answer;
                }
            }
            return Optional.empty();
        }

        private void show(RequestMark shown) {
            claims.own().ask(shown, lastAnswered);
        }

        /** Looks for the answer, and whether the one that is asked is the owner still. */
        private Optional<byte[]> await() {
            Asked at = addressed.orElseThrow();
            Optional<AnswerMark> found = found(at);
            if (found.isPresent() && found.get().state() != AnswerMark.State.BEGUN) {
                return Optional.of(read(at, found.get()));
            }
            if (claims.pace().now() - nextLook >= 0 && !isOwner(at)) {
                show(mark.to(0));
                addressed = Optional.empty();
            }
            return Optional.empty();
        }

        private boolean isOwner(Asked at) {
            nextLook = claims.pace().now() + claims.settings().idleNanos();
            return ownership
                    .owner(claims.looking().look())
                    .filter(owner -> owner.slot() == at.slot())
                    .filter(owner -> owner.record().incarnation() == at.incarnation())
                    .isPresent();
        }

        private Optional<AnswerMark> found(Asked at) {
            return claims.area()
                    .readMark(at.slot(), claims.own().slot())
                    .filter(found -> found.answers(claims.own().incarnation(), mark.id()));
        }

        /** What a former owner has left behind, which will not change any more. */
        private Optional<byte[]> outcome(Asked former) {
            Optional<AnswerMark> found = found(former);
            if (found.isEmpty()) {
                return Optional.empty();
            }
            if (found.get().state() == AnswerMark.State.BEGUN) {
                throw open("the daemon that maintained the group ended while it did this");
            }
            return Optional.of(read(former, found.get()));
        }

        private byte[] read(Asked at, AnswerMark found) {
            byte[] bytes = claims.area().readAnswer(at.slot(), found.block(), found.length());
            if (Wire.checksum(bytes) != found.checksum()) {
                throw open("the answer on %s is damaged".formatted(claims.area().name()));
            }
            if (found.state() == AnswerMark.State.REFUSED) {
                throw ErrorCode.LVM_WRITE.because(new String(bytes, StandardCharsets.UTF_8));
            }
            return bytes;
        }

        private static RuntimeException open(String why) {
            return ErrorCode.LVM_WRITE.because(
                    why + "; whether it was done can only be seen in the volume group");
        }

        private byte[] tooLate() {
            Optional<byte[]> answer = addressed.flatMap(this::outcome);
            if (answer.isPresent()) {
                return answer.get();
            }
            throw ErrorCode.LVM_MASTER.because(
                    "the daemon that maintains the repository %s has not answered for %,d s: look at"
                                    .formatted(
                                            claims.area().sr(),
                                            claims.settings().askNanos() / 1_000_000_000)
                            + " the daemons of the other hosts; if one is dead, free its claims");
        }
    }
}
