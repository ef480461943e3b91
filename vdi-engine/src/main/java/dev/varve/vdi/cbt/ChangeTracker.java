// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.Companion;
import dev.varve.vdi.image.CommitListener;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Notes which blocks of a disk its users change, in front of the disk's images and whatever these
 * are.
 *
 * <p>Every write, discard and range of zeros is noted in memory before it is passed on. When the
 * note has to be durable depends on where the change goes:
 *
 * <table>
 * <caption>what a crash leaves</caption>
 * <tr><th>the change</th><th>passed on</th><th>after a crash</th></tr>
 * <tr><td>goes to a block whose note is durable</td><td>at once</td><td>noted, seen or not</td></tr>
 * <tr><td>goes to a place that the leaf's metadata does not name yet</td><td>at once</td><td>not
 * seen before a commit of the leaf, which asks for the note first: so noted when it is
 * seen</td></tr>
 * <tr><td>goes over what is seen already, or perhaps does</td><td>when the note is durable; that
 * happens once for each block and interval, and all that wait are served by one
 * commit</td><td>noted, seen or not</td></tr>
 * </table>
 *
 * So at any moment the log on storage names everything by which the disk differs from the start of
 * the interval, and perhaps more. It is never behind the disk, which its header says: {@link
 * ChangeLogHeader#ahead}. A commit asks for notes through the {@link
 * dev.varve.vdi.image.CommitGuard} of the leaf; a leaf without this guard, whoever put it there,
 * makes every change wait for its note.
 *
 * <p>A snapshot gives the tracker another log at the instant at which the leaf changes. What was
 * passed on before goes to the former leaf, on which the snapshot and the disk both rest, and is
 * noted in the former log only; the former leaf's commits still ask that one. What is waiting for
 * its note at that instant is noted again, in the new log.
 *
 * <p>When a log cannot be written, changes that need it fail as they do when the metadata of an
 * image cannot be written: passed on without a note, they would be missing in a backup.
 *
 * <p><b>Threads:</b> requests and logs on the lane's; {@link #seal} and {@link #close} on control
 * threads.
 */
final class ChangeTracker extends BlockFilter implements Companion {
    private final CommitListener noted = this::noted;
    private final Consumer<ChangeTracker> forget;
    private ActiveVdi vdi;

    /** Null while nothing is tracked. Changed on the lane. */
    private volatile ActiveLog log;

    /** Logs of intervals that have ended and are not closed. */
    private final List<ActiveLog> former = new CopyOnWriteArrayList<>();

    private BlockRequest waitingFirst;
    private BlockRequest waitingLast;
    private boolean asked;

    /**
     * @param forget told when the disk is closed
     */
    ChangeTracker(Consumer<ChangeTracker> forget) {
        this.forget = forget;
    }

    /** Goes with a disk, in front of which it stands. Before that is used. */
    void follow(ActiveVdi newVdi) {
        vdi = newVdi;
        newVdi.accompany(this);
    }

    ActiveVdi vdi() {
        return vdi;
    }

    // ---- the way of a request

    @Override
    public void submit(BlockRequest request) {
        if (!request.op.changes() || log == null) {
            next().submit(request);
        } else {
            admit(request);
        }
    }

    private void admit(BlockRequest request) {
        ActiveLog now = log;
        boolean durable = now == null || now.note(request.offset, request.length);
        if (durable || vdi.isGuarded(now, request.offset, request.length)) {
            next().submit(request);
        } else if (now.failure() != IoStatus.OK) {
            request.complete(now.failure());
        } else {
            park(request);
        }
    }

    private void park(BlockRequest request) {
        request.next = null;
        if (waitingFirst == null) {
            waitingFirst = request;
        } else {
            waitingLast.next = request;
        }
        waitingLast = request;
        if (!asked) {
            asked = true;
            log.commitSoon(noted);
        }
    }

    /**
     * All that wait are looked at anew: some came too late for the commit that has ended, and the
     * log may be another one.
     */
    private void noted(IoStatus status) {
        asked = false;
        BlockRequest waiting = waitingFirst;
        waitingFirst = null;
        waitingLast = null;
        while (waiting != null) {
            BlockRequest following = waiting.next;
            waiting.next = null;
            admit(waiting);
            waiting = following;
        }
    }

    // ---- logs

    /** The log that is written now. Any thread. */
    Optional<ActiveLog> log() {
        return Optional.ofNullable(log);
    }

    /** Tracks with another log from now on, or with none. On the lane. */
    void change(ActiveLog newLog) {
        if (log != null) {
            former.add(log);
        }
        log = newLog;
        vdi.guard(newLog);
    }

    /**
     * Tracks no longer. The log says that it is not to be trusted before the first change is passed
     * on without it. May wait.
     */
    void drop(Operation operation) {
        ActiveLog given = log;
        commit(given, () -> given.header(given.header().givenUp()), operation);
        commit(given, () -> change(null), operation);
        former.remove(given);
        given.volume().close();
    }

    /** Makes the former logs complete and closes them. May wait. */
    void finishFormer(Operation operation) {
        while (!former.isEmpty()) {
            ActiveLog each = former.getFirst();
            complete(each, operation);
            former.remove(each);
            each.volume().close();
        }
    }

    /** Makes room for a larger disk, whose new part has changed. May wait. */
    void grow(long sizeBytes, Operation operation) {
        ActiveLog each = log;
        each.volume().access(operation).grow(ChangeLog.volumeBytes(sizeBytes));
        commit(each, () -> each.extend(sizeBytes), operation);
        commit(each, () -> each.header(each.header().withSize(sizeBytes)), operation);
    }

    private void complete(ActiveLog each, Operation operation) {
        commit(each, () -> {}, operation);
        commit(each, () -> each.header(each.header().completed()), operation);
    }

    /** Makes a change of a log on the lane, and everything in it durable. May wait. */
    void commit(ActiveLog each, Runnable change, Operation operation) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        vdi.lane()
                .execute(
                        () -> {
                            change.run();
                            each.beforeCommit(done::complete);
                        });
        IoStatus status = LaneCall.await(vdi.lane(), done, operation);
        if (status != IoStatus.OK) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "the log of changed blocks of disk %s could not be written: %s"
                            .formatted(vdi.uuid(), status));
        }
    }

    /** Does something on the lane. May wait. */
    void run(Runnable what, Operation operation) {
        LaneCall.await(
                vdi.lane(), CompletableFuture.runAsync(what, vdi.lane()::execute), operation);
    }

    // ---- the end

    @Override
    public void seal(Operation operation) {
        finishFormer(operation);
        if (log != null) {
            complete(log, operation);
        }
    }

    @Override
    public void close(BooleanSupplier idle) {
        forget.accept(this);
        former.forEach(each -> each.volume().closeWhenIdle(idle));
        log().ifPresent(each -> each.volume().closeWhenIdle(idle));
    }

    /** Nothing: {@link #close(BooleanSupplier)} does it. */
    @Override
    public void close() {}
}
