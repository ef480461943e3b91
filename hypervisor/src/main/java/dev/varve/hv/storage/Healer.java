// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.Operation;
import dev.varve.vdi.time.Scheduler;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Makes true what the user wants: repositories and disks that should be plugged in are plugged in
 * again and again until it works, and those that are plugged in are looked after. A repository that
 * is away is a state that heals by itself, and never a reason for the daemon not to start.
 *
 * <p><b>Threads:</b> any; the work runs where it may block.
 */
public final class Healer {
    private static final Logger LOG = LoggerFactory.getLogger(Healer.class);
    private static final long FIRST_RETRY_SECONDS = 1;
    private static final long LAST_RETRY_SECONDS = 60;
    private static final long CHECK_SECONDS = 30;

    private static final class State {
        private Scheduler.Handle next = () -> {};
        private long delaySeconds = FIRST_RETRY_SECONDS;
        private boolean running;
    }

    private final StorageEnvironment env;
    private final Database database;
    private final SrManager repositories;
    private final Attachments attachments;
    private final Map<String, State> states = new ConcurrentHashMap<>();
    private volatile boolean stopped;

    /** Looks after nothing yet. */
    public Healer(StorageEnvironment env, SrManager repositories, Attachments attachments) {
        this.env = env;
        this.database = env.database();
        this.repositories = repositories;
        this.attachments = attachments;
    }

    /**
     * Starts with what is wanted. Nothing is attached when a daemon has just started, whatever the
     * rows say.
     *
     * @return completes when each was tried once
     */
    public CompletableFuture<Void> start() {
        database.write(
                batch -> {
                    for (String type : List.of("PBD", "VBD")) {
                        for (ApiObject row : database.all(type)) {
                            if (row.flag("currently_attached")) {
                                batch.put(row.with("currently_attached", false));
                            }
                        }
                    }
                    return null;
                });
        List<CompletableFuture<Void>> first = new ArrayList<>();
        for (ApiObject pbd : database.all("PBD")) {
            if (pbd.text("host").equals(env.host()) && pbd.flag("wanted")) {
                first.add(CompletableFuture.runAsync(() -> round(pbd.ref()), env.blocking()));
            }
        }
        return CompletableFuture.allOf(first.toArray(new CompletableFuture<?>[0]));
    }

    /** Looks after a connection that was just plugged in. */
    public void watch(String pbd) {
        later(pbd, states.computeIfAbsent(pbd, _ -> new State()), CHECK_SECONDS);
    }

    private void later(String pbd, State state, long seconds) {
        synchronized (state) {
            state.next.cancel();
            if (!stopped) {
                state.next =
                        env.scheduler()
                                .after(
                                        seconds,
                                        TimeUnit.SECONDS,
                                        () -> env.blocking().execute(() -> round(pbd)));
            }
        }
    }

    private void round(String pbdRef) {
        State state = states.computeIfAbsent(pbdRef, _ -> new State());
        synchronized (state) {
            if (stopped || state.running) {
                return;
            }
            state.running = true;
        }
        boolean well = false;
        try {
            Optional<ApiObject> pbd = database.find(pbdRef).filter(row -> row.flag("wanted"));
            if (pbd.isEmpty()) {
                states.remove(pbdRef);
                return;
            }
            well = heal(pbd.get());
        } finally {
            long delay;
            synchronized (state) {
                state.running = false;
                delay = well ? CHECK_SECONDS : state.delaySeconds;
                state.delaySeconds =
                        well
                                ? FIRST_RETRY_SECONDS
                                : Math.min(LAST_RETRY_SECONDS, state.delaySeconds * 2);
            }
            if (states.containsKey(pbdRef)) {
                later(pbdRef, state, delay);
            }
        }
    }

    /** One round for one repository; tells whether all is well. */
    private boolean heal(ApiObject pbd) {
        String sr = pbd.text("SR");
        try {
            if (repositories.isAttached(sr)) {
                if (repositories.isLost(sr)) {
                    working(sr, "plug", (_, op) -> bringBack(sr, pbd.ref(), op));
                } else {
                    repositories.check(sr);
                    repositories.lookAfter(sr, attachments.activeDisks(sr));
                    repositories.notePaths(sr, pbd.ref());
                }
                if (!repositories.isScanned(sr)) {
                    working(sr, "scan", (row, op) -> repositories.scan(row, op));
                }
            } else {
                working(sr, "plug", (_, op) -> repositories.plug(pbd.ref(), op));
            }
            LastError.clear(database, pbd.ref());
            if (!repositories.isScanned(sr)) {
                return false;
            }
            LastError.clear(database, sr);
        } catch (RuntimeException e) {
            LOG.warn("repository {} is not well: {}", sr, LastError.text(e));
            LastError.set(database, sr, e);
            LastError.set(database, pbd.ref(), e);
            return false;
        }
        boolean well = true;
        for (ApiObject vbd : attachments.waiting(sr)) {
            well = plug(vbd) && well;
        }
        return well;
    }

    /**
     * The disks of a repository whose medium has gone away answer nothing but errors, and hinder it
     * from coming back: they are let go of first, and plugged in again when the medium is there.
     */
    private void bringBack(String sr, String pbd, Operation operation) {
        LOG.warn("the medium of repository {} has gone away", sr);
        for (ApiObject vbd : attachments.active(sr)) {
            connection(vbd, "unplug", _ -> attachments.suspend(vbd));
            LOG.warn("the disk of connection {} waits for its repository", vbd.uuid());
        }
        if (repositories.needsAttaching(sr)) {
            repositories.letGo(sr, pbd);
            repositories.plug(pbd, operation);
        } else {
            repositories.withoutMerges(sr, () -> repositories.check(sr));
        }
        LOG.info("the medium of repository {} is back", sr);
    }

    /** Work on a connection and its disk, which nobody else works on meanwhile. */
    private void connection(ApiObject vbd, String kind, Consumer<Operation> work) {
        Operation operation = Operation.unbounded("VBD." + kind, env.clock());
        String task = env.tasks().begin(operation);
        try (var _ = env.operations().begin(vbd, kind, task);
                var _ =
                        env.operations()
                                .begin(database.get("VDI", vbd.text("VDI")), "blocked", task)) {
            work.accept(operation);
        } finally {
            env.tasks().end(task);
        }
    }

    /** Work on a repository. */
    private interface Work {
        void run(ApiObject sr, Operation operation);
    }

    private void working(String srRef, String kind, Work work) {
        ApiObject sr = database.get("SR", srRef);
        Operation operation = Operation.unbounded("SR." + kind, env.clock());
        String task = env.tasks().begin(operation);
        try (var _ = env.operations().begin(sr, kind, task)) {
            work.run(sr, operation);
        } finally {
            env.tasks().end(task);
        }
    }

    private boolean plug(ApiObject vbd) {
        try {
            connection(vbd, "plug", operation -> attachments.plug(vbd, operation));
            return true;
        } catch (RuntimeException e) {
            LOG.warn("the disk of connection {} cannot be plugged in", vbd.uuid(), e);
            LastError.set(database, vbd.ref(), e);
            return false;
        }
    }

    /** Lets go of everything within the time. What is wanted stays wanted. */
    public void stop(long seconds) {
        stopped = true;
        states.values().forEach(state -> state.next.cancel());
        repositories.stopMerges();
        attachments.deactivateAll(seconds);
        repositories.closeAll();
    }
}
