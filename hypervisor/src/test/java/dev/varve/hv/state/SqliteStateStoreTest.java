// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.state.StateStore.Change;
import dev.varve.hv.state.StateStore.Compare;
import dev.varve.hv.state.StateStore.Entry;
import dev.varve.hv.state.StateStore.Outcome;
import dev.varve.hv.testing.ManualTime;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

final class SqliteStateStoreTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    @TempDir Path directory;
    private final ManualTime time = new ManualTime();

    private SqliteStateStore open() {
        return open(directory);
    }

    private SqliteStateStore open(Path where) {
        return SqliteStateStore.open(where.resolve("state.db"), time, time, 5);
    }

    private static long put(StateStore store, String key, String value) {
        return assertInstanceOf(
                        Outcome.Committed.class, store.txn(List.of(), Map.of(key, value), Set.of()))
                .revision();
    }

    @Test
    void readsBackWhatATransactionWrote() {
        try (StateStore store = open()) {
            assertEquals(1, put(store, "a", "1"));
            assertEquals(Optional.of(new Entry("a", "1", 1, 0)), store.get("a"));
            assertEquals(Optional.empty(), store.get("b"));
            assertEquals(1, store.revision());
        }
    }

    @Test
    void rangesOverAPrefixInOrderAndTakesNoCharacterAsAWildcard() {
        try (StateStore store = open()) {
            for (String key : List.of("x/b", "x/a", "x%", "y", "x/\uD83D\uDE00")) {
                put(store, key, key);
            }
            assertEquals(
                    List.of("x/a", "x/b", "x/\uD83D\uDE00"),
                    store.range("x/").stream().map(Entry::key).toList());
            assertEquals(5, store.range("").size());
        }
    }

    @Test
    void changesNothingWhenOneConditionFails() {
        try (StateStore store = open()) {
            put(store, "a", "1");
            Outcome outcome =
                    store.txn(
                            List.of(new Compare("a", 1), new Compare("b", 7)),
                            Map.of("a", "2", "b", "2"),
                            Set.of());
            assertEquals(new Outcome.Conflict("b"), outcome);
            assertEquals("1", store.get("a").orElseThrow().value());
            assertEquals(1, store.revision());
        }
    }

    @Test
    void takesRevisionZeroAsMustNotExist() {
        try (StateStore store = open()) {
            assertInstanceOf(
                    Outcome.Committed.class,
                    store.txn(List.of(new Compare("a", 0)), Map.of("a", "1"), Set.of()));
            assertEquals(
                    new Outcome.Conflict("a"),
                    store.txn(List.of(new Compare("a", 0)), Map.of("a", "2"), Set.of()));
        }
    }

    @Test
    void usesNoRevisionUpWhenNothingChanges() {
        try (StateStore store = open()) {
            put(store, "a", "1");
            store.txn(List.of(), Map.of(), Set.of("nothing"));
            assertEquals(1, store.revision());
        }
    }

    @Test
    void keepsEverythingWhenItIsOpenedAgain() {
        try (StateStore store = open()) {
            put(store, "a", "1");
            put(store, "b", "2");
            store.txn(List.of(), Map.of(), Set.of("a"));
        }
        try (StateStore store = open()) {
            assertEquals(3, store.revision());
            assertEquals(List.of(new Entry("b", "2", 2, 0)), store.range(""));
            assertEquals(4, put(store, "c", "3"));
        }
    }

    /** A copy of the files at any moment is what a killed process leaves behind. */
    @Test
    void keepsWhatWasCommittedWhenTheProcessIsKilled() throws IOException {
        Path copy = Files.createDirectory(directory.resolve("copy"));
        try (StateStore store = open()) {
            for (int i = 0; i < 50; i++) {
                put(store, "k" + i, "v" + i);
            }
            for (String file : List.of("state.db", "state.db-wal")) {
                Files.copy(directory.resolve(file), copy.resolve(file));
            }
        }
        try (StateStore store = open(copy)) {
            assertEquals(50, store.revision());
            assertEquals("v49", store.get("k49").orElseThrow().value());
        }
    }

    @Test
    void showsWatchersEveryChangeSinceAnOldRevisionAcrossAReopen() throws InterruptedException {
        try (StateStore store = open()) {
            put(store, "a", "1");
            put(store, "other", "1");
        }
        try (StateStore store = open();
                StateStore.Watch watch = store.watch(0, "a")) {
            store.txn(List.of(), Map.of(), Set.of("a"));
            assertEquals(
                    List.of(
                            new Change(1, "a", Optional.of("1")),
                            new Change(3, "a", Optional.empty())),
                    watch.next(Duration.ZERO));
            assertEquals(List.of(), watch.next(Duration.ZERO));
        }
    }

    @Test
    void wakesAWatcherThatWaits() throws Exception {
        try (StateStore store = open();
                StateStore.Watch watch = store.watch(0, "")) {
            CompletableFuture<List<Change>> seen = new CompletableFuture<>();
            Threads.platform(
                            "watcher",
                            () -> {
                                try {
                                    seen.complete(watch.next(LONG));
                                } catch (InterruptedException | RuntimeException e) {
                                    seen.completeExceptionally(e);
                                }
                            })
                    .start();
            put(store, "a", "1");
            assertEquals(
                    List.of(new Change(1, "a", Optional.of("1"))), seen.get(20, TimeUnit.SECONDS));
        }
    }

    @Test
    void refusesAWatchFromARevisionThatIsNotKept() {
        try (StateStore store = open()) {
            StateStore.Watch late = store.watch(0, "");
            for (int i = 0; i < 8; i++) {
                put(store, "a", "" + i);
            }
            RevisionCompactedException refused =
                    assertThrows(RevisionCompactedException.class, () -> store.watch(2, ""));
            assertTrue(refused.getMessage().startsWith("revision compacted"));
            assertEquals(3, refused.oldest());
            assertThrows(RevisionCompactedException.class, () -> late.next(Duration.ZERO));
            store.watch(3, "").close();
        }
    }

    @Test
    void dropsTheKeysOfALeaseThatEndsAndTellsWatchers() throws InterruptedException {
        try (StateStore store = open();
                StateStore.Watch watch = store.watch(0, "")) {
            long lease = store.grant(Duration.ofSeconds(10));
            store.txn(List.of(), Map.of("host", "alive"), Set.of(), lease);
            time.advance(9, TimeUnit.SECONDS);
            assertTrue(store.keepAlive(lease));
            time.advance(9, TimeUnit.SECONDS);
            assertTrue(store.get("host").isPresent());
            watch.next(Duration.ZERO);
            time.advance(1, TimeUnit.SECONDS);
            assertEquals(
                    List.of(new Change(2, "host", Optional.empty())), watch.next(Duration.ZERO));
            assertFalse(store.keepAlive(lease));
        }
    }

    @Test
    void startsLeasesOverWhenItIsOpenedAgain() {
        long lease;
        try (StateStore store = open()) {
            lease = store.grant(Duration.ofSeconds(10));
            store.txn(List.of(), Map.of("host", "alive"), Set.of(), lease);
        }
        time.advance(100, TimeUnit.SECONDS);
        try (StateStore store = open()) {
            assertTrue(store.get("host").isPresent());
            time.advance(10, TimeUnit.SECONDS);
            assertFalse(store.get("host").isPresent());
        }
    }

    @Test
    void revokesALease() {
        try (StateStore store = open()) {
            long lease = store.grant(Duration.ofSeconds(10));
            store.txn(List.of(), Map.of("a", "1"), Set.of(), lease);
            store.revoke(lease);
            store.revoke(lease);
            assertFalse(store.get("a").isPresent());
            assertThrows(
                    IllegalArgumentException.class,
                    () -> store.txn(List.of(), Map.of("a", "1"), Set.of(), lease));
        }
    }

    @Test
    void saysWhyAFileCannotBeOpened() throws IOException {
        Files.writeString(
                directory.resolve("state.db"), "this is no database at all, not even one");
        StateStoreException refused = assertThrows(StateStoreException.class, this::open);
        assertTrue(refused.getMessage().contains("state.db"));
    }
}
