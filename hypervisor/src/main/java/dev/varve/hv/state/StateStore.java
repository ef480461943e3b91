// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.state;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * An ordered map of keys to values that changes in transactions, each of which has a revision. One
 * daemon keeps it in a file of its own; a pool of hosts will keep it in a shared service.
 *
 * <p><b>Invariants:</b> revisions grow by one with every transaction that changed something. A key
 * that is bound to a lease goes away with it.
 *
 * <p><b>Threads:</b> any. Calls may block on storage.
 *
 * <p><b>Durability:</b> a transaction that returned survives power loss.
 */
public interface StateStore extends AutoCloseable {
    /** The lease of a key that stays until it is deleted. */
    long NO_LEASE = 0;

    /**
     * A key with its value.
     *
     * @param revision of the transaction that wrote it last
     */
    record Entry(String key, String value, long revision, long lease) {}

    /**
     * A condition of a transaction.
     *
     * @param revision that the key must have; 0 when it must not exist
     */
    record Compare(String key, long revision) {}

    /** What a transaction led to. */
    sealed interface Outcome {
        /** All changes were made, under this revision. */
        record Committed(long revision) implements Outcome {}

        /** Nothing was changed, because this key did not have the expected revision. */
        record Conflict(String key) implements Outcome {}
    }

    /** One change, as watchers see it; no value means that the key was deleted. */
    record Change(long revision, String key, Optional<String> value) {}

    /** The changes of keys with a prefix, in order and without gaps. */
    interface Watch extends AutoCloseable {
        /**
         * The next changes, all those of one or more whole transactions; empty when there was none
         * in the given time.
         *
         * @throws RevisionCompactedException when the watcher is so late that changes were dropped
         * @throws InterruptedException when the thread is interrupted while it waits
         */
        List<Change> next(Duration timeout) throws InterruptedException;

        @Override
        void close();
    }

    /** The revision of the last transaction. */
    long revision();

    /** The value of one key. */
    Optional<Entry> get(String key);

    /** All keys with the prefix, in order. */
    List<Entry> range(String prefix);

    /** Makes all changes, or none when one of the conditions does not hold. */
    Outcome txn(List<Compare> compares, Map<String, String> puts, Set<String> deletes);

    /** Like {@link #txn}, with keys that vanish when the lease ends. */
    Outcome txn(List<Compare> compares, Map<String, String> puts, Set<String> deletes, long lease);

    /**
     * Follows changes after the given revision.
     *
     * @throws RevisionCompactedException when changes after it were dropped already
     */
    Watch watch(long afterRevision, String prefix);

    /** Makes a lease that ends unless it is kept alive. */
    long grant(Duration timeToLive);

    /**
     * Lets the lease start over. After the store was opened again, all leases start over by
     * themselves, since nobody could keep them alive in between.
     *
     * @return whether there still is such a lease
     */
    boolean keepAlive(long lease);

    /** Ends a lease and deletes its keys. That there is none is not an error. */
    void revoke(long lease);

    @Override
    void close();
}
