// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiTypes;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/**
 * Tasks: each is a view of an {@link Operation}. Those of a call that its caller waits for vanish
 * when it returns. Those that a client made, and those of calls that nobody waits for, stay until a
 * client destroys them; of the ones that have ended, only the latest {@link #MOST_ENDED} are kept.
 *
 * <p><b>Threads:</b> any.
 */
public final class Tasks {
    /** How many tasks that have ended are kept for their clients. */
    static final int MOST_ENDED = 1000;

    /** How many calls that nobody waits for may be under way. */
    static final int MOST_PENDING = 1000;

    private static final String NEVER = (String) ApiTypes.DATE_TIME.zero();

    private enum Kind {
        CALL,
        ASYNC_CALL,
        CLIENT
    }

    private static final class Entry {
        final Operation operation;
        final Kind kind;
        final CompletableFuture<Void> over = new CompletableFuture<>();

        /** Work has begun on the task of a client, which says itself how it ends. */
        boolean taken;

        volatile StorageException failure;

        Entry(Operation operation, Kind kind) {
            this.operation = operation;
            this.kind = kind;
        }
    }

    private final Database database;
    private final Clock clock;
    private final RandomSource random;
    private final Map<String, Entry> entries = new ConcurrentHashMap<>();
    private final AtomicInteger pending = new AtomicInteger();
    private final LinkedHashMap<String, Boolean> ended = new LinkedHashMap<>();
    private volatile String thisHost = OpaqueRef.NULL;

    /** No tasks yet. */
    public Tasks(Database database, Clock clock, RandomSource random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
    }

    /** Says which host the tasks run on. */
    public void residentOn(String host) {
        thisHost = host;
    }

    /** Code and parameters of a failure, as clients see them. */
    static List<String> description(StorageException failure) {
        List<String> description = new ArrayList<>();
        description.add(failure.code().wireName());
        description.addAll(failure.params());
        return description;
    }

    /** Shows an operation that a call waits for. */
    public String begin(Operation operation) {
        return add(operation, "", Kind.CALL);
    }

    /**
     * Shows an operation that nobody waits for; {@link #succeed} or {@link #fail} ends it.
     *
     * @throws StorageException TOO_MANY_PENDING_TASKS
     */
    String beginAsync(Operation operation) {
        if (pending.incrementAndGet() > MOST_PENDING) {
            pending.decrementAndGet();
            throw ErrorCode.TOO_MANY_PENDING_TASKS.with();
        }
        return add(operation, "", Kind.ASYNC_CALL);
    }

    /** Makes a task that the client looks after. */
    String create(String label, String description) {
        return add(Operation.unbounded(label, clock), description, Kind.CLIENT);
    }

    private String add(Operation operation, String description, Kind kind) {
        ApiObject row =
                database.create(
                        "task",
                        random.uuid(),
                        Map.of(
                                "name_label",
                                operation.label(),
                                "name_description",
                                description,
                                "created",
                                Values.time(clock.epochMillis()),
                                "resident_on",
                                thisHost));
        String ref = row.ref();
        entries.put(ref, new Entry(operation, kind));
        operation.observe(() -> database.touch(ref));
        return ref;
    }

    /**
     * Begins to work on a task that a client made; {@link #complete} ends it.
     *
     * @return what the task shows, and is cancelled through
     * @throws StorageException HANDLE_INVALID, OPERATION_NOT_ALLOWED when it has ended or is worked
     *     on already
     */
    public Operation take(String ref) {
        Entry entry = entry(ref);
        synchronized (entry) {
            if (entry.taken || entry.kind != Kind.CLIENT || hasEnded(database.get("task", ref))) {
                throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                        "the task " + ref + " has ended already, or is that of another operation");
            }
            entry.taken = true;
        }
        return entry.operation;
    }

    /**
     * Ends a task that was taken.
     *
     * @param result as XML-RPC writes it, or nothing
     */
    public void complete(String ref, String result) {
        finish(ref, row -> row.with("result", result));
    }

    /** Ends a task that was taken with a failure. */
    public void complete(String ref, StorageException failure) {
        Entry entry = entries.get(ref);
        if (entry != null) {
            entry.failure = failure;
        }
        finish(ref, row -> row.with("error_info", outcome(ref, failure)));
    }

    /** Why a task that was taken failed, if it did. */
    public Optional<StorageException> failure(String ref) {
        return Optional.ofNullable(entries.get(ref)).map(entry -> entry.failure);
    }

    /** Cancels the task of a client on which no work has begun. */
    public void abandon(String ref) {
        Entry entry = entry(ref);
        synchronized (entry) {
            if (entry.taken) {
                return;
            }
        }
        cancel(ref);
    }

    /** Complete as soon as a task has ended or is gone. */
    public CompletableFuture<Void> whenOver(String ref) {
        Entry entry = entries.get(ref);
        return entry == null ? CompletableFuture.completedFuture(null) : entry.over.copy();
    }

    /** Ends the task of a call. Nobody can look at it any more: the call itself has the outcome. */
    public void end(String ref) {
        Entry entry = entries.remove(ref);
        synchronized (ended) {
            ended.remove(ref);
        }
        database.find(ref).ifPresent(row -> database.delete(List.of(row)));
        if (entry != null) {
            entry.over.complete(null);
        }
    }

    /**
     * Ends a task with the result of its call.
     *
     * @param result as XML-RPC writes it, or nothing
     */
    void succeed(String ref, String result) {
        pending.decrementAndGet();
        finish(ref, row -> row.with("result", result));
    }

    /** Ends a task with the failure of its call. */
    void fail(String ref, StorageException failure) {
        pending.decrementAndGet();
        finish(ref, row -> row.with("error_info", outcome(ref, failure)));
    }

    private static List<String> outcome(String ref, StorageException failure) {
        return failure.code() == ErrorCode.TASK_CANCELLED
                ? List.of(failure.code().wireName(), ref)
                : description(failure);
    }

    private void finish(String ref, UnaryOperator<ApiObject> outcome) {
        String now = Values.time(clock.epochMillis());
        database.write(
                batch -> {
                    batch.find(ref)
                            .ifPresent(row -> batch.put(outcome.apply(row).with("finished", now)));
                    return null;
                });
        List<String> oldest = new ArrayList<>();
        synchronized (ended) {
            ended.put(ref, true);
            var refs = ended.keySet().iterator();
            for (int over = ended.size() - MOST_ENDED; over > 0; over--) {
                oldest.add(refs.next());
            }
        }
        oldest.forEach(this::end);
        Entry entry = entries.get(ref);
        if (entry != null) {
            entry.over.complete(null);
        }
    }

    /** The operation that a task shows. */
    public Operation operation(String ref) {
        return entry(ref).operation;
    }

    private Entry entry(String ref) {
        Entry entry = entries.get(ref);
        if (entry == null) {
            throw ErrorCode.HANDLE_INVALID.with("task", ref);
        }
        return entry;
    }

    /** Asks for an end of the work. */
    void cancel(String ref) {
        Entry entry = entry(ref);
        if (hasEnded(database.get("task", ref))) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with("the task has ended already");
        }
        boolean idle;
        synchronized (entry) {
            entry.operation.cancel();
            idle = entry.kind == Kind.CLIENT && !entry.taken;
            entry.taken = entry.taken || idle;
        }
        if (idle) {
            List<String> description = List.of(ErrorCode.TASK_CANCELLED.wireName(), ref);
            finish(ref, row -> row.with("error_info", description));
        }
    }

    /** Removes a task that has ended, or one of a client. */
    void destroy(String ref) {
        Entry entry = entry(ref);
        if (entry.kind != Kind.CLIENT && !hasEnded(database.get("task", ref))) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    "the task belongs to a call that still runs; cancel it instead");
        }
        if (!hasEnded(database.get("task", ref))) {
            entry.operation.cancel();
        }
        end(ref);
    }

    private static boolean hasEnded(ApiObject task) {
        return !task.text("finished").equals(NEVER);
    }

    /**
     * How a task stands, in the words of the API. It follows from the row alone once the task has
     * ended, so the end and its outcome are seen together.
     */
    public String status(ApiObject task) {
        if (hasEnded(task)) {
            List<String> failure = task.set("error_info");
            if (failure.isEmpty()) {
                return "success";
            }
            return failure.getFirst().equals(ErrorCode.TASK_CANCELLED.wireName())
                    ? "cancelled"
                    : "failure";
        }
        Entry entry = entries.get(task.ref());
        return entry != null && entry.operation.isCancelled() ? "cancelling" : "pending";
    }

    /** How far a task is. */
    public double progress(ApiObject task) {
        Entry entry = entries.get(task.ref());
        return entry == null || hasEnded(task) ? 1.0 : entry.operation.progress();
    }

    /** What may be done with a task now. */
    public List<String> allowed(ApiObject task) {
        Entry entry = entries.get(task.ref());
        List<String> allowed = new ArrayList<>();
        if (entry == null) {
            return allowed;
        }
        boolean running = !hasEnded(task);
        if (running) {
            allowed.add("cancel");
        }
        if (entry.kind == Kind.CLIENT || !running) {
            allowed.add("destroy");
        }
        return allowed;
    }
}
