// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.state.StateStore;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;
import dev.varve.vdi.time.Waiting;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The password of the only user there is, {@code root}, for logins over the network. Without one
 * there are none.
 *
 * <p>One attempt is looked at after the other, and a wrong one holds the others up for a while; so
 * guessing is slow and takes no more than a part of one processor. When too many wait already, more
 * are refused at once. The right password, once it has been seen, is known at once again: only a
 * keyed digest of it stays in memory.
 *
 * <p><b>Threads:</b> any; a check may block.
 *
 * <p><b>Durability:</b> a password that was set survives power loss. Only its hash is kept.
 */
public final class Passwords {
    /** The name to log in with. */
    public static final String USER = "root";

    /** The shortest password that is taken, in characters. */
    public static final int SHORTEST = 8;

    /** The longest password that is taken, in characters. */
    public static final int LONGEST = 1024;

    /** How many attempts may wait for others. */
    static final int MOST_WAITING = 32;

    /** How long a wrong attempt holds the others up, in milliseconds. */
    static final long WRONG_MILLIS = 300;

    private static final String KEY = "auth/" + USER;
    private static final int DIGEST_KEY_BYTES = 32;

    private final StateStore store;
    private final RandomSource random;
    private final Scheduler scheduler;
    private final Waiting waiting;
    private final Semaphore turn = new Semaphore(1, true);
    private final byte[] digestKey = new byte[DIGEST_KEY_BYTES];
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private volatile Optional<PasswordHash> kept;
    private volatile byte[] seen = new byte[0];

    /** Reads what the store has. */
    public Passwords(StateStore store, RandomSource random, Scheduler scheduler, Waiting waiting) {
        this.store = store;
        this.random = random;
        this.scheduler = scheduler;
        this.waiting = waiting;
        this.kept = store.get(KEY).map(entry -> PasswordHash.parse(entry.value()));
        random.bytes(digestKey);
    }

    /** Whether there is a password. */
    public boolean isSet() {
        return kept.isPresent();
    }

    /** Has somebody told when a password was set or removed. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /**
     * Sets the password.
     *
     * @throws dev.varve.vdi.StorageException INVALID_VALUE when it is too short or too long
     */
    public void set(String password) {
        int length = password.codePointCount(0, password.length());
        if (length < SHORTEST || length > LONGEST) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "password",
                    length + " characters",
                    "a password has " + SHORTEST + " to " + LONGEST + " characters");
        }
        PasswordHash hash = PasswordHash.of(password, random);
        synchronized (this) {
            store.txn(List.of(), Map.of(KEY, hash.text()), Set.of());
            seen = new byte[0];
            kept = Optional.of(hash);
        }
        listeners.forEach(Runnable::run);
    }

    /** Removes the password; that there is none is not an error. */
    public void remove() {
        synchronized (this) {
            store.txn(List.of(), Map.of(), Set.of(KEY));
            seen = new byte[0];
            kept = Optional.empty();
        }
        listeners.forEach(Runnable::run);
    }

    /**
     * Checks user and password of somebody on the network.
     *
     * @throws dev.varve.vdi.StorageException SESSION_AUTHENTICATION_FAILED
     */
    public void check(String user, String password) {
        Optional<PasswordHash> hash = kept;
        if (hash.isEmpty()) {
            throw refused(user, "logins over the network are off until a password is set");
        }
        if (user.equals(USER) && MessageDigest.isEqual(seen, digest(password))) {
            return;
        }
        if (turn.getQueueLength() >= MOST_WAITING) {
            throw refused(user, "too many logins at once; try again");
        }
        turn.acquireUninterruptibly();
        try {
            // The hash is worked out for unknown users as well, so that time does not tell them.
            boolean right = password.length() <= LONGEST && hash.get().fits(password);
            if (right && user.equals(USER)) {
                remember(hash.get(), password);
                return;
            }
            holdUp();
        } finally {
            turn.release();
        }
        throw refused(user, "the user name or the password is not right");
    }

    private static RuntimeException refused(String user, String why) {
        return ErrorCode.SESSION_AUTHENTICATION_FAILED.with(Texts.fit(user), why);
    }

    private synchronized void remember(PasswordHash hash, String password) {
        if (kept.filter(now -> now == hash).isPresent()) {
            seen = digest(password);
        }
    }

    private byte[] digest(String password) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(digestKey, "HmacSHA256"));
            return mac.doFinal(password.getBytes(StandardCharsets.UTF_8));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java has no HMAC", e);
        }
    }

    private void holdUp() {
        CompletableFuture<Void> over = new CompletableFuture<>();
        scheduler.after(WRONG_MILLIS, TimeUnit.MILLISECONDS, () -> over.complete(null));
        waiting.join(over);
    }
}
