// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.Clock;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Tells clients what changed. A client asks for all changes after the one that its token names and
 * waits until there are some; of an object that changed several times it gets the latest state.
 *
 * <p><b>Threads:</b> any. A call that waits holds its thread, which should be a virtual one.
 */
public final class Events {
    /** The longest time that a call waits. */
    private static final double MOST_SECONDS = 600;

    /** How long a call of the older kind waits for an event. */
    private static final long NEXT_SECONDS = 30;

    private static final int MOST_SUBSCRIPTIONS = 1000;

    private final Database database;
    private final Records records;
    private final Sessions sessions;
    private final Clock clock;
    private final Changes changes;
    private final String epoch;
    private final Map<String, Registration> registrations = new ConcurrentHashMap<>();

    /** What a session asked for, the older way. */
    private static final class Registration {
        final Set<String> names = new HashSet<>();
        long known;
    }

    /** Events of all changes from now on. */
    public Events(Database database, Records records, Sessions sessions, Clock clock) {
        this.database = database;
        this.records = records;
        this.sessions = sessions;
        this.clock = clock;
        this.changes = database.changes();
        // The numbers of changes start over with the daemon, so a token says whose they are.
        this.epoch = Long.toHexString(clock.epochMillis());
        sessions.onEnd(
                session -> {
                    registrations.remove(session);
                    changes.wake();
                });
    }

    /** Binds the methods of events. */
    public void bind(Handlers handlers) {
        handlers.bind("event.from", this::from)
                .bind("event.next", this::next)
                .bindVoid("event.register", this::register)
                .bindVoid("event.unregister", this::unregister)
                .bind("event.inject", this::inject)
                .bind("event.get_current_id", _ -> changes.latest());
    }

    private Object from(Call call) {
        Set<String> names = names(call.set("classes"));
        long known = number(call.text("token"));
        double seconds = Math.clamp((Double) call.arg("timeout"), 0.0, MOST_SECONDS);
        String session = call.session().ref();
        Changes.Batch batch =
                await(session, known, names, (long) (seconds * TimeUnit.SECONDS.toNanos(1)));
        Map<String, Object> answer = new TreeMap<>();
        answer.put("token", token(batch.latest()));
        answer.put("events", events(batch.changes(), known));
        answer.put("valid_ref_counts", counts(names));
        return answer;
    }

    private Changes.Batch await(String session, long known, Set<String> names, long nanos) {
        try {
            Changes.Batch batch =
                    changes.await(
                            known,
                            change -> wants(names, change),
                            nanos,
                            () -> sessions.isOpen(session));
            if (!sessions.isOpen(session)) {
                throw ErrorCode.SESSION_INVALID.with(session);
            }
            return batch;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.INTERNAL_ERROR.with("the server stops");
        }
    }

    private static Set<String> names(List<String> asked) {
        if (asked.size() > MOST_SUBSCRIPTIONS) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "classes",
                    Integer.toString(asked.size()),
                    "at most " + MOST_SUBSCRIPTIONS + " classes or objects");
        }
        Set<String> names = new HashSet<>();
        for (String name : asked) {
            int slash = name.indexOf('/');
            String type = slash < 0 ? name : name.substring(0, slash);
            if (type.isEmpty() || slash == name.length() - 1) {
                throw ErrorCode.EVENT_SUBSCRIPTION_PARSE_FAILURE.with(name);
            }
            String lower = type.toLowerCase(Locale.ROOT);
            names.add(slash < 0 ? lower : lower + name.substring(slash));
        }
        return names;
    }

    private static boolean wants(Set<String> names, Changes.Change change) {
        String type = change.type().cliName();
        return names.contains("*")
                || names.contains(type)
                || names.contains(type + "/" + change.ref());
    }

    private String token(long number) {
        return number + "," + epoch;
    }

    private long number(String token) {
        if (token.isEmpty()) {
            return 0;
        }
        String[] parts = token.split(",", 2);
        long number;
        try {
            number = Long.parseLong(parts[0]);
        } catch (NumberFormatException e) {
            throw ErrorCode.EVENT_FROM_TOKEN_PARSE_FAILURE.with(token);
        }
        if (parts.length != 2 || number < 0) {
            throw ErrorCode.EVENT_FROM_TOKEN_PARSE_FAILURE.with(token);
        }
        boolean ours = parts[1].equals(epoch) && number <= changes.latest();
        if (!ours || !changes.reachesBackTo(number)) {
            throw ErrorCode.EVENTS_LOST.with();
        }
        return number;
    }

    private List<Object> events(List<Changes.Change> found, long known) {
        List<Object> events = new ArrayList<>();
        for (Changes.Change change : found) {
            Map<String, Object> event = new TreeMap<>();
            event.put("id", change.number());
            event.put("timestamp", "%.3f".formatted(clock.epochMillis() / 1000.0));
            event.put("class", change.type().cliName());
            event.put("ref", change.ref());
            event.put("obj_uuid", change.uuid());
            var object = change.gone() ? null : database.find(change.ref()).orElse(null);
            if (object == null) {
                // Gone by now, if not by this change: its own change follows and says so again.
                event.put("operation", "del");
            } else {
                event.put("operation", change.made() > known ? "add" : "mod");
                event.put("snapshot", records.any(object));
            }
            events.add(event);
        }
        return events;
    }

    private Map<String, Object> counts(Set<String> names) {
        Map<String, Object> counts = new TreeMap<>();
        for (ApiClass type : database.schema().classes()) {
            boolean asked = names.contains("*") || names.contains(type.cliName());
            if (asked && !type.is(ApiClass.Trait.UNLISTED)) {
                counts.put(type.cliName(), (long) database.count(type.name()));
            }
        }
        return counts;
    }

    private void register(Call call) {
        Set<String> names = names(call.set("classes"));
        Registration registration =
                registrations.computeIfAbsent(
                        call.session().ref(),
                        _ -> {
                            Registration made = new Registration();
                            made.known = changes.latest();
                            return made;
                        });
        synchronized (registration) {
            registration.names.addAll(names);
        }
        if (!sessions.isOpen(call.session().ref())) {
            registrations.remove(call.session().ref());
        }
    }

    private void unregister(Call call) {
        Registration registration = registration(call);
        synchronized (registration) {
            registration.names.removeAll(names(call.set("classes")));
        }
    }

    private Registration registration(Call call) {
        Registration registration = registrations.get(call.session().ref());
        if (registration == null) {
            throw ErrorCode.SESSION_NOT_REGISTERED.with(call.session().ref());
        }
        return registration;
    }

    private Object next(Call call) {
        Registration registration = registration(call);
        Set<String> names;
        long known;
        synchronized (registration) {
            names = Set.copyOf(registration.names);
            known = registration.known;
        }
        if (!changes.reachesBackTo(known)) {
            synchronized (registration) {
                registration.known = changes.latest();
            }
            throw ErrorCode.EVENTS_LOST.with();
        }
        Changes.Batch batch =
                await(call.session().ref(), known, names, TimeUnit.SECONDS.toNanos(NEXT_SECONDS));
        synchronized (registration) {
            registration.known = Math.max(registration.known, batch.latest());
        }
        return events(batch.changes(), known);
    }

    private Object inject(Call call) {
        String asked = call.text("class");
        ApiClass type =
                database.schema().classes().stream()
                        .filter(one -> one.name().equalsIgnoreCase(asked))
                        .findFirst()
                        .orElseThrow(() -> ErrorCode.INVALID_VALUE.with("class", asked));
        return token(changes.changed(database.get(type.name(), call.text("ref"))));
    }
}
