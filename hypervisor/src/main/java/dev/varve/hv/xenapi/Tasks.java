// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Tasks: each is a view of an {@link Operation}. Those of a call vanish when it returns; those that
 * a client made stay until it destroys them.
 *
 * <p><b>Threads:</b> any.
 */
public final class Tasks {
    private enum Status {
        PENDING,
        CANCELLED
    }

    private static final class Entry {
        final Operation operation;
        final boolean ofClient;
        volatile Status status = Status.PENDING;

        Entry(Operation operation, boolean ofClient) {
            this.operation = operation;
            this.ofClient = ofClient;
        }
    }

    private final Database database;
    private final Clock clock;
    private final RandomSource random;
    private final Map<String, Entry> entries = new ConcurrentHashMap<>();
    private volatile String thisHost;

    /** No tasks yet. */
    public Tasks(Database database, Clock clock, RandomSource random) {
        this.database = database;
        this.clock = clock;
        this.random = random;
        this.thisHost = dev.varve.hv.xenapi.schema.OpaqueRef.NULL;
    }

    /** Says which host the tasks run on. */
    public void residentOn(String host) {
        thisHost = host;
    }

    /** Shows an operation that a call waits for. */
    public String begin(Operation operation) {
        return add(operation, "", false);
    }

    /** Makes a task that the client looks after. */
    public String create(String label, String description) {
        return add(Operation.unbounded(label, clock), description, true);
    }

    private String add(Operation operation, String description, boolean ofClient) {
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
        entries.put(row.ref(), new Entry(operation, ofClient));
        return row.ref();
    }

    /** Ends the task of a call. Nobody can look at it any more: the call itself has the outcome. */
    public void end(String ref) {
        entries.remove(ref);
        database.find(ref).ifPresent(row -> database.delete(List.of(row)));
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
    public void cancel(String ref) {
        Entry entry = entry(ref);
        if (entry.status != Status.PENDING) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with("the task has ended already");
        }
        entry.operation.cancel();
        if (entry.ofClient) {
            entry.status = Status.CANCELLED;
            database.update(
                    "task", ref, row -> row.with("finished", Values.time(clock.epochMillis())));
        }
    }

    /** Removes a task of a client. */
    public void destroy(String ref) {
        if (!entry(ref).ofClient) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    "the task belongs to a call that still runs; cancel it instead");
        }
        end(ref);
    }

    /** How a task stands, in the words of the API. */
    public String status(String ref) {
        Entry entry = entries.get(ref);
        if (entry == null) {
            return "success";
        }
        return switch (entry.status) {
            case PENDING -> entry.operation.isCancelled() ? "cancelling" : "pending";
            case CANCELLED -> "cancelled";
        };
    }

    /** How far a task is. */
    public double progress(String ref) {
        Entry entry = entries.get(ref);
        return entry == null ? 1.0 : entry.operation.progress();
    }

    /** What may be done with a task now. */
    public List<String> allowed(String ref) {
        Entry entry = entries.get(ref);
        List<String> allowed = new ArrayList<>();
        if (entry != null && entry.status == Status.PENDING) {
            allowed.add("cancel");
        }
        if (entry != null && entry.ofClient) {
            allowed.add("destroy");
        }
        return allowed;
    }
}
