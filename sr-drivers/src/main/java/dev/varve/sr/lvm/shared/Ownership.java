// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.GroupOwner;
import dev.varve.sr.lvm.shared.ClaimTable.Entry;
import dev.varve.sr.lvm.shared.Survey.Neighbour;
import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The owner of a volume group is the daemon that has the claim for writing on the UUID of the
 * repository, the same one that merges and removes images. The others write what they ask of it in
 * their own place of the {@link ClaimArea}, and it answers in its own.
 *
 * <p>A daemon that has something to do while nobody has that claim takes it, does the work itself,
 * and keeps the claim until {@link #release}: taking it takes several writes that each have to be
 * durable before the next, and asking it is as good for the others as taking it.
 *
 * <p><b>Threads:</b> any. The claim is not released from within work of the owner.
 */
public final class Ownership implements GroupOwner {
    private final SharedClaims claims;
    private final Answering answering;
    private final Asking asking;
    private volatile Function<byte[], byte[]> answer =
            _ -> {
                throw ErrorCode.LVM_MASTER.because("this daemon does not answer requests yet");
            };

    private volatile Optional<Claims.Claim> kept = Optional.empty();

    /**
     * @param claims those of the repository
     */
    public Ownership(SharedClaims claims) {
        this.claims = claims;
        this.answering = new Answering(claims, this);
        this.asking = new Asking(claims, this);
    }

    @Override
    public boolean isOwner() {
        return claims.own().isTaken(claims.area().sr()) && !claims.isFenced();
    }

    /** The epoch of the claim, which is a new one with each claim. */
    @Override
    public long since() {
        return claims.own().claim(claims.area().sr()).map(Entry::epoch).orElse(0L);
    }

    @Override
    public void asOwner(Runnable work) {
        claims.maintenance().readLock().lock();
        try {
            requireOwner();
            work.run();
        } finally {
            claims.maintenance().readLock().unlock();
        }
    }

    private void requireOwner() {
        if (!isOwner()) {
            claims.lease().require();
            throw ErrorCode.LVM_MASTER.because(
                    "another daemon maintains the repository " + claims.area().sr());
        }
    }

    /**
     * {@inheritDoc}
     *
     * <p>What is asked for is done at most once. Where the owner ends in the middle of it, it fails
     * with LVM_WRITE, and only the group itself can tell whether it was done.
     */
    @Override
    public byte[] ask(byte[] request) {
        Invariant.check(request.length <= ClaimArea.MOST_MESSAGE_BYTES, "the request is too long");
        return asking.ask(request);
    }

    @Override
    public void serve(Function<byte[], byte[]> newAnswer) {
        answer = newAnswer;
    }

    /**
     * Answers what others have asked since the last call, if this daemon is the owner.
     *
     * @return whether there was anything
     */
    public boolean answer() {
        return isOwner() && answering.answer();
    }

    /** Whether somebody may ask: this daemon is the owner, and others have the repository. */
    boolean isNeeded() {
        return isOwner() && !claims.looking().neighbours().isEmpty();
    }

    /** Looking for former answers may have taken long. */
    private byte[] carryOut(byte[] request) {
        requireOwner();
        return answerTo(request);
    }

    byte[] answerTo(byte[] request) {
        return answer.apply(request);
    }

    /**
     * Does what is asked for itself, if this daemon is the owner or nobody is.
     *
     * @param former what a former owner has answered already
     */
    Optional<byte[]> answerHere(byte[] request, Supplier<Optional<byte[]>> former) {
        claims.acquireMaintenance().ifPresent(taken -> kept = Optional.of(taken));
        if (!isOwner()) {
            return Optional.empty();
        }
        AtomicReference<byte[]> result = new AtomicReference<>();
        asOwner(() -> result.set(former.get().orElseGet(() -> carryOut(request))));
        return Optional.of(result.get());
    }

    /**
     * Becomes the owner, and stays it until {@link #release}.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE when another daemon is
     */
    public void become() {
        kept = Optional.of(claims.acquire(claims.area().sr(), Claims.Mode.WRITE));
    }

    /**
     * Is the owner no longer, unless somebody here has claimed the repository after this took to
     * it: then that one's claim counts.
     */
    public void release() {
        kept.ifPresent(claims::release);
    }

    /** The other host that is the owner; one that can be put out is. */
    Optional<Neighbour> owner(Survey survey) {
        return survey.neighbours(claims.own().slot()).stream()
                .filter(other -> other.claims().stream().anyMatch(this::isOwnership))
                .filter(other -> !claims.removing().tryRemove(other))
                .findFirst();
    }

    private boolean isOwnership(Entry entry) {
        return entry.had()
                && entry.mode() == Claims.Mode.WRITE
                && entry.vdi().equals(claims.area().sr());
    }
}
