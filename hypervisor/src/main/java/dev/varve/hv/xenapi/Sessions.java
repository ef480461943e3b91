// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Logins. Each ends by itself when it was not used for long; when there are too many, the one that
 * was idle for longest makes room.
 *
 * <p><b>Threads:</b> any.
 */
public final class Sessions {
    private static final Logger LOG = LoggerFactory.getLogger(Sessions.class);

    /** How long a session lives without being used. */
    public static final long IDLE_HOURS = 24;

    /** How many sessions there may be. */
    public static final int MOST = 500;

    private final Database database;
    private final Clock clock;
    private final RandomSource random;
    private final Passwords passwords;
    private final Set<String> remote = ConcurrentHashMap.newKeySet();
    private final List<Consumer<String>> listeners = new CopyOnWriteArrayList<>();
    private final java.util.LinkedHashMap<String, Long> lastUsed =
            new java.util.LinkedHashMap<>(16, 0.75f, true);
    private volatile String thisHost = OpaqueRef.NULL;

    /** No sessions yet. */
    public Sessions(Database database, Clock clock, RandomSource random, Passwords passwords) {
        this.database = database;
        this.clock = clock;
        this.random = random;
        this.passwords = passwords;
        // Who came in with another password has to come in again.
        passwords.onChange(this::logoutRemote);
    }

    /** Has somebody told the reference of each session that ends; must not call back. */
    void onEnd(Consumer<String> listener) {
        listeners.add(listener);
    }

    /** Says which host clients talk to. */
    public void host(String host) {
        thisHost = host;
    }

    /**
     * Makes a session. Who comes through the socket file needs no password.
     *
     * @throws dev.varve.vdi.StorageException SESSION_AUTHENTICATION_FAILED
     */
    String login(Caller caller, String user, String password, String originator) {
        if (!caller.local()) {
            try {
                passwords.check(user, password);
            } catch (StorageException e) {
                LOG.warn("a login from {} was refused: {}", caller.address(), e.sentence());
                throw e;
            }
        }
        String now = Values.time(clock.epochMillis());
        ApiObject row =
                database.create(
                        "session",
                        random.uuid(),
                        Map.of(
                                "this_host", thisHost,
                                "last_active", now,
                                "validation_time", now,
                                "is_local_superuser", true,
                                "auth_user_name", user,
                                "originator", originator));
        if (!caller.local()) {
            remote.add(row.ref());
        }
        touch(row.ref());
        return row.ref();
    }

    private void touch(String ref) {
        synchronized (lastUsed) {
            lastUsed.put(ref, clock.nanoTime());
            var oldest = lastUsed.sequencedEntrySet().iterator();
            while (oldest.hasNext()) {
                Map.Entry<String, Long> entry = oldest.next();
                if (!expired(entry.getValue()) && lastUsed.size() <= MOST) {
                    return;
                }
                oldest.remove();
                drop(entry.getKey());
            }
        }
    }

    private boolean expired(long usedNanos) {
        return clock.nanoTime() - usedNanos >= TimeUnit.HOURS.toNanos(IDLE_HOURS);
    }

    private void drop(String ref) {
        database.find(ref).ifPresent(row -> database.delete(List.of(row)));
        remote.remove(ref);
        listeners.forEach(listener -> listener.accept(ref));
    }

    /** Whether there is this session; that does not count as using it. */
    public boolean isOpen(String ref) {
        return database.find(ref).filter(row -> row.type().name().equals("session")).isPresent();
    }

    private void logoutRemote() {
        synchronized (lastUsed) {
            List.copyOf(remote).forEach(this::logout);
        }
    }

    /** How many sessions there are. */
    public int count() {
        synchronized (lastUsed) {
            return lastUsed.size();
        }
    }

    /**
     * The session of a call, which counts as used now.
     *
     * @throws dev.varve.vdi.StorageException SESSION_INVALID
     */
    public ApiObject use(String ref) {
        synchronized (lastUsed) {
            Long used = lastUsed.get(ref);
            if (used == null || expired(used)) {
                lastUsed.remove(ref);
                drop(ref);
                throw ErrorCode.SESSION_INVALID.with(ref);
            }
            touch(ref);
            String now = Values.time(clock.epochMillis());
            ApiObject row = database.get("session", ref);
            return row.text("last_active").equals(now)
                    ? row
                    : database.update("session", ref, old -> old.with("last_active", now));
        }
    }

    /** Ends a session. */
    public void logout(String ref) {
        synchronized (lastUsed) {
            lastUsed.remove(ref);
            drop(ref);
        }
    }
}
