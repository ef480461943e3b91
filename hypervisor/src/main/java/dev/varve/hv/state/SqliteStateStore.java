// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.state;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Scheduler;

import org.sqlite.SQLiteConfig;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The state in one SQLite file in WAL mode.
 *
 * <p><b>Invariants:</b> the present values, the history and the revision change in one SQLite
 * transaction, so that they always agree. The history holds the last {@code historyRevisions}
 * revisions.
 *
 * <p><b>Threads:</b> any; one lock, one connection, thus one writer.
 *
 * <p><b>Durability:</b> {@code synchronous=FULL}: the log is flushed with every transaction.
 */
public final class SqliteStateStore implements StateStore {
    /** How many revisions a watcher may be late, unless it is said otherwise. */
    public static final int DEFAULT_HISTORY_REVISIONS = 10_000;

    private static final String[] SCHEMA = {
        "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value TEXT NOT NULL,"
                + " revision INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX IF NOT EXISTS kv_lease ON kv (lease) WHERE lease <> 0",
        "CREATE TABLE IF NOT EXISTS history (revision INTEGER NOT NULL, key TEXT NOT NULL,"
                + " value TEXT, PRIMARY KEY (revision, key)) WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS leases (id INTEGER PRIMARY KEY AUTOINCREMENT,"
                + " ttl_millis INTEGER NOT NULL)",
        "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
                + " WITHOUT ROWID",
        "INSERT OR IGNORE INTO meta VALUES ('format', 1), ('revision', 0), ('compacted', 0)"
    };

    private record Lease(long ttlNanos, long deadlineNanos) {}

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Connection connection;
    private final Clock clock;
    private final Scheduler scheduler;
    private final int historyRevisions;
    private final Map<Long, Lease> leases = new HashMap<>();
    private Scheduler.Handle expiry = () -> {};
    private long revision;
    private long compacted;
    private boolean closed;

    private SqliteStateStore(
            Connection connection, Clock clock, Scheduler scheduler, int historyRevisions) {
        this.connection = connection;
        this.clock = clock;
        this.scheduler = scheduler;
        this.historyRevisions = historyRevisions;
    }

    /** Opens the file, making it first when there is none. */
    public static SqliteStateStore open(Path file, Clock clock, Scheduler scheduler) {
        return open(file, clock, scheduler, DEFAULT_HISTORY_REVISIONS);
    }

    /** Opens the file; a watcher may be late by the given number of revisions. */
    public static SqliteStateStore open(
            Path file, Clock clock, Scheduler scheduler, int historyRevisions) {
        SQLiteConfig config = new SQLiteConfig();
        config.setJournalMode(SQLiteConfig.JournalMode.WAL);
        config.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
        config.setLockingMode(SQLiteConfig.LockingMode.EXCLUSIVE);
        try {
            Connection connection = config.createConnection("jdbc:sqlite:" + file);
            try {
                var store = new SqliteStateStore(connection, clock, scheduler, historyRevisions);
                store.load();
                return store;
            } catch (SQLException | RuntimeException e) {
                connection.close();
                throw e;
            }
        } catch (SQLException e) {
            throw new StateStoreException(
                    "cannot open the state in " + file + ": " + e.getMessage(), e);
        }
    }

    private void load() throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            for (String sql : SCHEMA) {
                statement.executeUpdate(sql);
            }
            connection.commit();
            long format = meta(statement, "format");
            if (format != 1) {
                throw new SQLException("it has format " + format + ", this program knows 1");
            }
            revision = meta(statement, "revision");
            compacted = meta(statement, "compacted");
            try (ResultSet rows = statement.executeQuery("SELECT id, ttl_millis FROM leases")) {
                while (rows.next()) {
                    start(rows.getLong(1), TimeUnit.MILLISECONDS.toNanos(rows.getLong(2)));
                }
            }
        }
        scheduleExpiry();
    }

    private static long meta(Statement statement, String name) throws SQLException {
        try (ResultSet rows =
                statement.executeQuery("SELECT value FROM meta WHERE name = '" + name + "'")) {
            return rows.next() ? rows.getLong(1) : 0;
        }
    }

    /** A unit of work under the lock. */
    private interface Work<T> {
        T run() throws SQLException;
    }

    private <T> T locked(Work<T> work) {
        lock.lock();
        try {
            return unlocked(work);
        } finally {
            lock.unlock();
        }
    }

    private <T> T unlocked(Work<T> work) {
        if (closed) {
            throw new IllegalStateException("the state is closed");
        }
        try {
            expireLeases();
            return work.run();
        } catch (SQLException e) {
            rollBack(e);
            throw new StateStoreException("the state failed: " + e.getMessage(), e);
        }
    }

    private void rollBack(SQLException reason) {
        try {
            connection.rollback();
        } catch (SQLException e) {
            reason.addSuppressed(e);
        }
    }

    @Override
    public long revision() {
        return locked(() -> revision);
    }

    @Override
    public Optional<Entry> get(String key) {
        return locked(() -> find(key));
    }

    private Optional<Entry> find(String key) throws SQLException {
        try (PreparedStatement query =
                connection.prepareStatement(
                        "SELECT key, value, revision, lease FROM kv WHERE key = ?")) {
            query.setString(1, key);
            return entries(query).stream().findFirst();
        }
    }

    @Override
    public List<Entry> range(String prefix) {
        return locked(
                () -> {
                    try (PreparedStatement query =
                            connection.prepareStatement(
                                    "SELECT key, value, revision, lease FROM kv"
                                            + " WHERE key >= ? AND substr(key, 1, ?) = ?"
                                            + " ORDER BY key")) {
                        query.setString(1, prefix);
                        query.setInt(2, prefix.codePointCount(0, prefix.length()));
                        query.setString(3, prefix);
                        return entries(query);
                    }
                });
    }

    private static List<Entry> entries(PreparedStatement query) throws SQLException {
        List<Entry> entries = new ArrayList<>();
        try (ResultSet rows = query.executeQuery()) {
            while (rows.next()) {
                entries.add(
                        new Entry(
                                rows.getString(1),
                                rows.getString(2),
                                rows.getLong(3),
                                rows.getLong(4)));
            }
        }
        return entries;
    }

    @Override
    public Outcome txn(List<Compare> compares, Map<String, String> puts, Set<String> deletes) {
        return txn(compares, puts, deletes, NO_LEASE);
    }

    @Override
    public Outcome txn(
            List<Compare> compares, Map<String, String> puts, Set<String> deletes, long lease) {
        return locked(
                () -> {
                    if (lease != NO_LEASE && !leases.containsKey(lease)) {
                        throw new IllegalArgumentException("there is no lease " + lease);
                    }
                    for (Compare compare : compares) {
                        long present = find(compare.key()).map(Entry::revision).orElse(0L);
                        if (present != compare.revision()) {
                            return new Outcome.Conflict(compare.key());
                        }
                    }
                    return new Outcome.Committed(apply(puts, deletes, lease));
                });
    }

    /** Writes the changes under a new revision; none is used up when nothing changes. */
    private long apply(Map<String, String> puts, Set<String> deletes, long lease)
            throws SQLException {
        long next = revision + 1;
        int changes = 0;
        for (String key : new TreeSet<>(deletes)) {
            if (!puts.containsKey(key) && deleteRow(key)) {
                remember(next, key, null);
                changes++;
            }
        }
        for (Map.Entry<String, String> put : new TreeMap<>(puts).entrySet()) {
            putRow(put.getKey(), put.getValue(), next, lease);
            remember(next, put.getKey(), put.getValue());
            changes++;
        }
        if (changes == 0) {
            connection.rollback();
            return revision;
        }
        long oldest = Math.max(compacted, next - historyRevisions);
        finish(next, oldest);
        return next;
    }

    private boolean deleteRow(String key) throws SQLException {
        try (PreparedStatement delete =
                connection.prepareStatement("DELETE FROM kv WHERE key = ?")) {
            delete.setString(1, key);
            return delete.executeUpdate() > 0;
        }
    }

    private void putRow(String key, String value, long next, long lease) throws SQLException {
        try (PreparedStatement put =
                connection.prepareStatement("INSERT OR REPLACE INTO kv VALUES (?, ?, ?, ?)")) {
            put.setString(1, key);
            put.setString(2, value);
            put.setLong(3, next);
            put.setLong(4, lease);
            put.executeUpdate();
        }
    }

    private void remember(long next, String key, String value) throws SQLException {
        try (PreparedStatement insert =
                connection.prepareStatement("INSERT INTO history VALUES (?, ?, ?)")) {
            insert.setLong(1, next);
            insert.setString(2, key);
            insert.setString(3, value);
            insert.executeUpdate();
        }
    }

    private void finish(long next, long oldest) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("UPDATE meta SET value = " + next + " WHERE name = 'revision'");
            if (oldest > compacted) {
                statement.executeUpdate("DELETE FROM history WHERE revision <= " + oldest);
                statement.executeUpdate(
                        "UPDATE meta SET value = " + oldest + " WHERE name = 'compacted'");
            }
        }
        connection.commit();
        revision = next;
        compacted = oldest;
        changed.signalAll();
    }

    @Override
    public Watch watch(long afterRevision, String prefix) {
        return locked(
                () -> {
                    refuseCompacted(afterRevision);
                    return new HistoryWatch(afterRevision, prefix);
                });
    }

    private void refuseCompacted(long after) {
        if (after < compacted) {
            throw new RevisionCompactedException(after, compacted);
        }
    }

    /** Reads the history from where it was left. It holds nothing back, so it costs no memory. */
    private final class HistoryWatch implements Watch {
        private final String prefix;
        private long seen;
        private boolean ended;

        HistoryWatch(long seen, String prefix) {
            this.seen = seen;
            this.prefix = prefix;
        }

        @Override
        public List<Change> next(Duration timeout) throws InterruptedException {
            lock.lockInterruptibly();
            try {
                long left = timeout.toNanos();
                List<Change> changes = unlocked(this::read);
                while (changes.isEmpty() && left > 0 && !ended && !closed) {
                    left = changed.awaitNanos(left);
                    changes = closed ? List.of() : unlocked(this::read);
                }
                return changes;
            } finally {
                lock.unlock();
            }
        }

        private List<Change> read() throws SQLException {
            refuseCompacted(seen);
            if (seen == revision) {
                return List.of();
            }
            List<Change> changes = new ArrayList<>();
            try (PreparedStatement query =
                    connection.prepareStatement(
                            "SELECT revision, key, value FROM history WHERE revision > ?"
                                    + " AND substr(key, 1, ?) = ? ORDER BY revision, key")) {
                query.setLong(1, seen);
                query.setInt(2, prefix.codePointCount(0, prefix.length()));
                query.setString(3, prefix);
                try (ResultSet rows = query.executeQuery()) {
                    while (rows.next()) {
                        changes.add(
                                new Change(
                                        rows.getLong(1),
                                        rows.getString(2),
                                        Optional.ofNullable(rows.getString(3))));
                    }
                }
            }
            seen = revision;
            return changes;
        }

        @Override
        public void close() {
            lock.lock();
            try {
                ended = true;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }

    @Override
    public long grant(Duration timeToLive) {
        return locked(
                () -> {
                    long id = insertLease(timeToLive.toMillis());
                    start(id, timeToLive.toNanos());
                    scheduleExpiry();
                    return id;
                });
    }

    private long insertLease(long ttlMillis) throws SQLException {
        try (PreparedStatement insert =
                connection.prepareStatement(
                        "INSERT INTO leases (ttl_millis) VALUES (?) RETURNING id")) {
            insert.setLong(1, ttlMillis);
            long id;
            try (ResultSet rows = insert.executeQuery()) {
                rows.next();
                id = rows.getLong(1);
            }
            connection.commit();
            return id;
        }
    }

    private void start(long id, long ttlNanos) {
        leases.put(id, new Lease(ttlNanos, clock.nanoTime() + ttlNanos));
    }

    @Override
    public boolean keepAlive(long lease) {
        return locked(
                () -> {
                    Lease present = leases.get(lease);
                    if (present != null) {
                        start(lease, present.ttlNanos());
                    }
                    return present != null;
                });
    }

    @Override
    public void revoke(long lease) {
        locked(
                () -> {
                    end(lease);
                    return null;
                });
    }

    private void end(long lease) throws SQLException {
        if (leases.remove(lease) == null) {
            return;
        }
        Set<String> keys = new TreeSet<>();
        try (Statement statement = connection.createStatement()) {
            try (ResultSet rows =
                    statement.executeQuery("SELECT key FROM kv WHERE lease = " + lease)) {
                while (rows.next()) {
                    keys.add(rows.getString(1));
                }
            }
        }
        apply(Map.of(), keys, NO_LEASE);
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("DELETE FROM leases WHERE id = " + lease);
        }
        connection.commit();
    }

    private void expireLeases() throws SQLException {
        long now = clock.nanoTime();
        for (Map.Entry<Long, Lease> entry : List.copyOf(leases.entrySet())) {
            if (now - entry.getValue().deadlineNanos() >= 0) {
                end(entry.getKey());
            }
        }
    }

    /** Wakes up when the next lease ends, so that watchers learn of it though nobody calls. */
    private void scheduleExpiry() {
        expiry.cancel();
        long now = clock.nanoTime();
        long soonest = Long.MAX_VALUE;
        for (Lease lease : leases.values()) {
            soonest = Math.min(soonest, Math.max(0, lease.deadlineNanos() - now));
        }
        if (soonest != Long.MAX_VALUE) {
            expiry = scheduler.after(soonest, TimeUnit.NANOSECONDS, this::tick);
        }
    }

    private void tick() {
        lock.lock();
        try {
            if (!closed) {
                unlocked(() -> null);
                scheduleExpiry();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (!closed) {
                closed = true;
                expiry.cancel();
                changed.signalAll();
                connection.close();
            }
        } catch (SQLException e) {
            throw new StateStoreException("cannot close the state: " + e.getMessage(), e);
        } finally {
            lock.unlock();
        }
    }
}
