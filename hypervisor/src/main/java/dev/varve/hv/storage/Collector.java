// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.Merged;
import dev.varve.vdi.time.Scheduler;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Keeps the chains of one repository short: removes inner nodes that nobody needs and merges images
 * until there is nothing left to merge. It looks when something has changed, when it may try again
 * what has failed, and now and then.
 *
 * <p><b>Invariants:</b> nothing is changed without the {@link MaintenanceClaim}, nor before what a
 * crash has interrupted is finished. Of a tree one pair is merged at a time. No operation of a user
 * waits for a merge: those that need its images cancel it or turn it into another one.
 *
 * <p><b>Threads:</b> any; the work runs where it may block.
 */
final class Collector {
    /** The key of other-config that says why a merge has failed. */
    static final String ERROR = "last-coalesce-error";

    private static final Logger LOG = LoggerFactory.getLogger(Collector.class);
    private static final long CLAIM_SECONDS = 10;
    private static final long LOOK_SECONDS = 300;
    private static final long DRAIN_SECONDS = 60;

    private final StorageEnvironment env;
    private final Database database;
    private final SrManager repositories;
    private final String sr;
    private final String uuid;
    private final AttachedRepository repository;
    private final DiskService disks;
    private final MaintenanceClaim claim;
    private final ChainPolicy policy;
    private final MergePauses pauses;
    private final MergeRoom room;
    private final Set<MergeJob> jobs = new LinkedHashSet<>();

    private Scheduler.Handle next = () -> {};
    private Optional<Long> due = Optional.empty();
    private boolean stopped;
    private boolean looking;
    private boolean recovered;
    private String trouble = "";

    private long merges;
    private long mergedBytes;
    private long failures;
    private long garbage;
    private int longestChain;

    /**
     * @param sr the repository
     */
    Collector(
            StorageEnvironment env,
            SrManager repositories,
            ApiObject sr,
            AttachedRepository repository) {
        this.env = env;
        this.database = env.database();
        this.repositories = repositories;
        this.sr = sr.ref();
        this.uuid = sr.uuid();
        this.repository = repository;
        this.disks = repository.session().disks();
        this.claim =
                new MaintenanceClaim(
                        repository.session().sr().claims(), UUID.fromString(sr.uuid()));
        this.policy = new ChainPolicy(database, sr.ref(), env.chains());
        this.pauses = new MergePauses(env.clock());
        this.room =
                new MergeRoom(
                        () -> repository.session().sr().volumes().space(),
                        bytes -> repository.session().sr().volumes().useReserve(bytes));
    }

    // ---- when it looks

    /**
     * Takes the claim if it is free, and finishes what a crash has interrupted. Called before the
     * disks of the repository are used. A failure does not hinder that: it is told, and tried
     * again.
     */
    void prepare() {
        try {
            recoverOnce();
            tell("");
        } catch (StorageException e) {
            LOG.warn("what a crash interrupted in repository {} cannot be finished", uuid, e);
            tell(LastError.text(e));
        }
    }

    /** Something has changed: looks after the quiet time. */
    void wake() {
        look(TimeUnit.MILLISECONDS.toNanos(env.chains().quietMillis()));
    }

    /** What the user allows has changed: ends what is not allowed any more, and looks. */
    void policyChanged() {
        env.blocking()
                .execute(
                        () -> {
                            long rate = policy.bytesPerSecond();
                            for (MergeJob job : running()) {
                                if (!policy.allows(job.merge())
                                        || job.operation().bytesPerSecond() != rate) {
                                    job.withdraw();
                                }
                            }
                            look(0);
                        });
    }

    /** Looks after so many nanoseconds, unless it does so earlier anyway. */
    private synchronized void look(long nanos) {
        long at = env.clock().nanoTime() + nanos;
        if (stopped || (due.isPresent() && due.get() - at <= 0)) {
            return;
        }
        next.cancel();
        due = Optional.of(at);
        next =
                env.scheduler()
                        .after(
                                nanos,
                                TimeUnit.NANOSECONDS,
                                () -> env.blocking().execute(this::round));
    }

    private void round() {
        synchronized (this) {
            due = Optional.empty();
            if (stopped) {
                return;
            }
            if (looking) {
                look(TimeUnit.MILLISECONDS.toNanos(env.chains().quietMillis()));
                return;
            }
            looking = true;
        }
        try {
            collect();
            trouble = "";
        } catch (StorageException e) {
            // The healer looks after a repository that is away; here it is only tried again.
            if (!trouble.equals(LastError.text(e))) {
                trouble = LastError.text(e);
                LOG.info("the chains of repository {} are left alone for now: {}", uuid, trouble);
            }
        } catch (RuntimeException e) {
            LOG.error("looking after the chains of repository {} failed", uuid, e);
        } finally {
            synchronized (this) {
                looking = false;
                notifyAll();
            }
            look(TimeUnit.SECONDS.toNanos(claim.isHeld() ? LOOK_SECONDS : CLAIM_SECONDS));
        }
    }

    // ---- what it does

    private void collect() {
        boolean before = recovered;
        if (!recoverOnce()) {
            measure();
            return;
        }
        if (!before) {
            tell("");
            // Another daemon is gone, or a crash is over: the rows may tell what was before.
            database.find(sr).ifPresent(row -> repositories.scan(row, operation("Scan")));
        }
        if (policy.mayCollect()) {
            removeGarbage();
            merge();
        }
        measure();
    }

    private Operation operation(String label) {
        return Operation.unbounded(label, env.clock());
    }

    /** Whether this daemon may change the trees, and they are in order. */
    private boolean recoverOnce() {
        if (!claim.hold()) {
            recovered = false;
            return false;
        }
        if (!recovered) {
            disks.recover(operation("Recover"));
            recovered = true;
        }
        return true;
    }

    private void removeGarbage() {
        List<UUID> removed =
                repository.during(
                        List.of(sr),
                        () -> {
                            List<UUID> gone = disks.removeGarbage(operation("Remove garbage"));
                            apply(new DiskChanges(List.of(), gone));
                            return gone;
                        });
        if (!removed.isEmpty()) {
            LOG.info("removed images of repository {} that nobody needs: {}", uuid, removed);
            synchronized (this) {
                garbage += removed.size();
            }
        }
    }

    private void apply(DiskChanges changes) {
        if (changes.changed().isEmpty() && changes.removed().isEmpty()) {
            return;
        }
        Optional<ApiObject> row = database.find(sr);
        if (row.isPresent()) {
            repositories.apply(row.get(), changes, _ -> {});
            repositories.update(row.get());
        }
    }

    private void merge() {
        List<Merge> possible = disks.merges(operation("Look for merges"));
        Set<UUID> trees = new HashSet<>();
        List<MergeJob> now = running();
        now.forEach(job -> trees.add(job.merge().root()));
        Set<Merge> known = new HashSet<>(possible);
        now.forEach(job -> known.add(job.merge()));
        pauses.retain(known);
        int places = env.chains().trees() - now.size();
        for (Merge merge : possible) {
            if (places > 0 && !trees.contains(merge.root()) && isDue(merge) && start(merge)) {
                trees.add(merge.root());
                places--;
            }
        }
        if (!pauses.hasFailed()) {
            tell("");
        }
        OptionalLong wait = pauses.nextNanos();
        if (wait.isPresent()) {
            look(wait.getAsLong());
        }
    }

    private boolean isDue(Merge merge) {
        return policy.allows(merge) && !pauses.isPaused(merge) && hasRoom(merge);
    }

    private boolean hasRoom(Merge merge) {
        if (room.isThere(merge)) {
            return true;
        }
        failed(
                merge,
                ErrorCode.SR_NO_SPACE.because(
                        "merging %s with %s needs up to %,d bytes, and %,d are free: make room"
                                .formatted(
                                        merge.child(),
                                        merge.parent(),
                                        merge.bytes(),
                                        room.freeBytes())));
        return false;
    }

    private boolean start(Merge merge) {
        MergeJob job = new MergeJob(env, merge, policy.bytesPerSecond());
        synchronized (this) {
            if (stopped) {
                job.end();
                return false;
            }
            jobs.add(job);
        }
        try {
            job.begun(disks.merge(merge, job.operation()));
        } catch (StorageException e) {
            ended(job);
            failed(job, e);
            return false;
        } catch (RuntimeException | Error e) {
            ended(job);
            throw e;
        }
        env.blocking().execute(() -> run(job));
        return true;
    }

    private void run(MergeJob job) {
        boolean merged = false;
        try {
            merged = job.running().await(job.operation()) && commit(job);
        } catch (StorageException e) {
            failed(job, e);
        } catch (RuntimeException e) {
            LOG.error("{} failed", job.operation().label(), e);
            job.running().cancel();
            pauses.pause(job.merge(), MergePauses.Reason.FAILED);
        } finally {
            ended(job);
        }
        if (merged) {
            look(0);
        } else {
            wake();
        }
    }

    private void ended(MergeJob job) {
        job.end();
        synchronized (this) {
            jobs.remove(job);
            notifyAll();
        }
    }

    /** Scans leave the two images alone until the rows tell what has become of them. */
    private boolean commit(MergeJob job) {
        Merge merge = job.merge();
        Optional<Merged> merged =
                repository.during(
                        List.of(merge.child().toString(), merge.parent().toString()),
                        () -> {
                            Optional<Merged> done = job.running().finish(job.operation());
                            done.ifPresent(result -> apply(result.changes()));
                            return done;
                        });
        room.forget(merge);
        merged.ifPresent(result -> note(job, result));
        return merged.isPresent();
    }

    private void note(MergeJob job, Merged merged) {
        LOG.debug("{}: {} bytes copied", job.operation().label(), merged.copiedBytes());
        for (StorageException failure : merged.unchanged()) {
            LOG.warn(
                    "a disk goes on with the images that were merged until it is detached: {}",
                    failure.sentence());
        }
        synchronized (this) {
            merges++;
            mergedBytes += merged.copiedBytes();
        }
    }

    // ---- what does not work

    private void failed(MergeJob job, StorageException failure) {
        if (job.isWithdrawn()) {
            return;
        }
        switch (failure.code()) {
            case TASK_CANCELLED -> {
                LOG.info("{} was cancelled; it is tried again later", job.operation().label());
                pauses.pause(job.merge(), MergePauses.Reason.CANCELLED);
            }
            case SR_VDI_IN_USE, OTHER_OPERATION_IN_PROGRESS, VDI_NOT_ON_STORAGE ->
                    pauses.pause(job.merge(), MergePauses.Reason.BUSY);
            case SR_NO_SPACE -> {
                if (room.makeFor(job.merge())) {
                    LOG.info("{} gets room that is kept back", job.operation().label());
                    wake();
                } else {
                    failed(job.merge(), failure);
                }
            }
            default -> failed(job.merge(), failure);
        }
    }

    private void failed(Merge merge, StorageException failure) {
        synchronized (this) {
            failures++;
        }
        if (pauses.pause(merge, MergePauses.Reason.FAILED)) {
            LOG.warn("merging {} with {} failed", merge.child(), merge.parent(), failure);
        }
        tell("%s: %s".formatted(merge.child(), LastError.text(failure)));
    }

    /** Says what does not work where a user looks. */
    private void tell(String text) {
        Optional<ApiObject> row = database.find(sr);
        if (row.isPresent() && !lastError(row.get()).equals(text)) {
            database.write(
                    batch ->
                            batch.find(sr)
                                    .map(
                                            now ->
                                                    batch.put(
                                                            now.withKey(
                                                                    "other_config", ERROR, text))));
        }
    }

    private static String lastError(ApiObject sr) {
        return sr.map("other_config").getOrDefault(ERROR, "");
    }

    private void measure() {
        int longest = ChainLengths.longest(database.referring("VDI", "SR", sr));
        boolean tooLong;
        synchronized (this) {
            tooLong = longest > ChainStatus.LONG && longestChain <= ChainStatus.LONG;
            longestChain = longest;
        }
        if (tooLong) {
            LOG.warn(
                    "a chain of repository {} has {} images; other programs do not open chains of"
                            + " more than {}",
                    uuid,
                    longest,
                    ChainStatus.LONG);
        }
    }

    // ---- how it stands

    private synchronized List<MergeJob> running() {
        return List.copyOf(jobs);
    }

    ChainStatus status() {
        List<ChainStatus.Running> now = running().stream().map(MergeJob::status).toList();
        String error = database.find(sr).map(Collector::lastError).orElse("");
        synchronized (this) {
            return new ChainStatus(
                    claim.isHeld(),
                    now,
                    merges,
                    mergedBytes,
                    failures,
                    garbage,
                    longestChain,
                    error);
        }
    }

    // ---- ending

    /**
     * Ends what it does and starts nothing more, until {@link #resume()}. Images are what they were
     * or merged, and none is open for a merge any more.
     *
     * @throws StorageException OTHER_OPERATION_IN_PROGRESS when storage does not answer; it still
     *     has stopped
     */
    void stop() {
        synchronized (this) {
            stopped = true;
            next.cancel();
            due = Optional.empty();
        }
        running().forEach(MergeJob::withdraw);
        awaitEnd();
    }

    private synchronized void awaitEnd() {
        long deadline = env.clock().nanoTime() + TimeUnit.SECONDS.toNanos(DRAIN_SECONDS);
        while (looking || !jobs.isEmpty()) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - env.clock().nanoTime());
            if (left <= 0) {
                throw ErrorCode.OTHER_OPERATION_IN_PROGRESS.with("SR", sr);
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw ErrorCode.OTHER_OPERATION_IN_PROGRESS.with("SR", sr);
            }
        }
    }

    /** Goes on after {@link #stop()}. */
    void resume() {
        synchronized (this) {
            stopped = false;
        }
        wake();
    }

    /** After {@link #stop()}: removes what nobody needs a last time, and gives the claim up. */
    void close() {
        try {
            if (claim.isHeld() && recovered && policy.mayCollect()) {
                removeGarbage();
            }
            claim.release();
        } catch (StorageException e) {
            LOG.warn("the chains of repository {} could not be left in order", uuid, e);
        }
    }
}
