// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

final class EventsTest {
    @TempDir Path home;
    private TestDaemon daemon;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, new FakeStorage());
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private Map<?, ?> from(String token, double seconds, String... classes) {
        return (Map<?, ?>) daemon.call("event.from", List.of(classes), token, seconds);
    }

    private static List<Map<?, ?>> events(Map<?, ?> batch) {
        List<Map<?, ?>> events = new ArrayList<>();
        ((List<?>) batch.get("events")).forEach(event -> events.add((Map<?, ?>) event));
        return events;
    }

    private static List<String> told(Map<?, ?> batch) {
        return events(batch).stream()
                .map(event -> event.get("class") + " " + event.get("operation"))
                .toList();
    }

    private static String token(Map<?, ?> batch) {
        return (String) batch.get("token");
    }

    private static Object field(Map<?, ?> event, String name) {
        return ((ApiType.AnyRecord.Value) event.get("snapshot")).fields().get(name);
    }

    @Test
    void tellsAllObjectsFirstAndChangesThen() {
        Map<?, ?> first = from("", 0, "Pool", "HOST", "secret");
        assertEquals(List.of("host add", "pool add"), told(first).stream().sorted().toList());
        assertEquals(Map.of("pool", 1L, "host", 1L, "secret", 0L), first.get("valid_ref_counts"));
        String secret = (String) daemon.call("secret.create", Map.of("value", "a"));
        Map<?, ?> second = from(token(first), 0, "*");
        assertTrue(told(second).contains("secret add"), told(second).toString());
        daemon.call("secret.set_value", secret, "b");
        daemon.call("secret.set_value", secret, "c");
        Map<?, ?> third = from(token(second), 0, "secret");
        assertEquals(List.of("secret mod"), told(third), "the latest state, once");
        assertEquals("c", field(events(third).getFirst(), "value"));
        daemon.call("secret.destroy", secret);
        Map<?, ?> fourth = from(token(third), 0, "secret");
        assertEquals(List.of("secret del"), told(fourth));
        assertFalse(events(fourth).getFirst().containsKey("snapshot"));
        assertEquals(List.of(), told(from(token(fourth), 0, "secret")));
    }

    @Test
    void saysNothingOfWhatCameAndWent() {
        String token = token(from("", 0, "secret"));
        String secret = (String) daemon.call("secret.create", Map.of("value", "a"));
        daemon.call("secret.destroy", secret);
        assertEquals(List.of(), told(from(token, 0, "secret")));
    }

    @Test
    void saysNothingOfWritesThatChangeNothing() {
        String secret = (String) daemon.call("secret.create", Map.of("value", "a"));
        String token = token(from("", 0, "secret"));
        daemon.call("secret.set_value", secret, "a");
        assertEquals(List.of(), told(from(token, 0, "secret")));
    }

    @Test
    void followsOneObject() {
        String one = (String) daemon.call("secret.create", Map.of("value", "a"));
        String other = (String) daemon.call("secret.create", Map.of("value", "a"));
        String token = token(from("", 0, "secret/" + one));
        daemon.call("secret.set_value", other, "b");
        assertEquals(List.of(), told(from(token, 0, "secret/" + one)));
        daemon.call("secret.set_value", one, "b");
        assertEquals(List.of("secret mod"), told(from(token, 0, "secret/" + one)));
    }

    @Test
    void tellsOfWhatRefersToAnObject() {
        String sr =
                (String)
                        daemon.call(
                                "SR.create",
                                daemon.only("host"),
                                Map.of("location", "a"),
                                0L,
                                "one",
                                "",
                                "fake",
                                "",
                                false,
                                Map.of());
        String token = token(from("", 0, "sr"));
        String vdi =
                (String)
                        daemon.call(
                                "VDI.create",
                                Map.of("SR", sr, "virtual_size", 1L << 20, "name_label", "d"));
        Map<?, ?> batch = from(token, 0, "sr");
        assertEquals(List.of("sr mod"), told(batch));
        assertEquals(List.of(vdi), field(events(batch).getFirst(), "VDIs"));
    }

    @Test
    void waitsForWhatIsOfInterest() throws Exception {
        String token = token(from("", 0, "secret"));
        CompletableFuture<Map<?, ?>> waiting =
                CompletableFuture.supplyAsync(
                        () -> from(token, 60, "secret"),
                        work -> Threads.virtual("waits", work).start());
        daemon.call("task.create", "t", "");
        String secret = (String) daemon.call("secret.create", Map.of("value", "a"));
        Map<?, ?> batch = waiting.get(30, TimeUnit.SECONDS);
        assertEquals(secret, events(batch).getFirst().get("ref"));
    }

    @Test
    void endsTheWaitOfASessionThatEnds() throws Exception {
        var dispatcher = daemon.daemon.dispatcher();
        String session =
                (String)
                        dispatcher.call(
                                Caller.LOCAL, "session.login_with_password", List.of("root", ""));
        String token = token(from("", 0, "secret"));
        CompletableFuture<Object> waiting =
                CompletableFuture.supplyAsync(
                        () ->
                                dispatcher.call(
                                        Caller.LOCAL,
                                        "event.from",
                                        List.of(session, List.of("secret"), token, 60.0)),
                        work -> Threads.virtual("waits", work).start());
        dispatcher.call(Caller.LOCAL, "session.logout", List.of(session));
        var failure = assertThrows(Exception.class, () -> waiting.get(30, TimeUnit.SECONDS));
        assertEquals(ErrorCode.SESSION_INVALID, ((StorageException) failure.getCause()).code());
    }

    @Test
    void refusesTokensThatAreNotItsOwn() {
        for (String token : List.of("x", "5", "-1,0", "1,")) {
            ErrorCode code = assertThrows(StorageException.class, () -> from(token, 0, "*")).code();
            assertTrue(
                    code == ErrorCode.EVENT_FROM_TOKEN_PARSE_FAILURE
                            || code == ErrorCode.EVENTS_LOST,
                    token);
        }
        assertEquals(
                ErrorCode.EVENT_SUBSCRIPTION_PARSE_FAILURE,
                assertThrows(StorageException.class, () -> from("", 0, "vdi/")).code());
        String token = token(from("", 0, "*"));
        String number = token.substring(0, token.indexOf(','));
        assertEquals(
                ErrorCode.EVENTS_LOST,
                assertThrows(StorageException.class, () -> from(number + ",abc", 0, "*")).code());
    }

    @Test
    void forgetsTheOldestOfWhatIsGone() {
        Changes changes = new Changes();
        ApiObject secret =
                new ApiObject(
                        dev.varve.hv.xenapi.schema.ApiSchema.XENAPI.require("secret"),
                        "OpaqueRef:1",
                        Map.of(),
                        0);
        long before = changes.latest();
        for (int i = 0; i <= Changes.MOST_GONE + 1; i++) {
            changes.deleted(secret);
        }
        assertFalse(changes.reachesBackTo(before + 1));
        assertTrue(changes.reachesBackTo(changes.latest()));
    }

    @Test
    void speaksTheOlderWayAsWell() {
        assertEquals(
                ErrorCode.SESSION_NOT_REGISTERED,
                assertThrows(StorageException.class, () -> daemon.call("event.next")).code());
        daemon.call("event.register", List.of("secret"));
        daemon.call("secret.create", Map.of("value", "a"));
        List<?> events = (List<?>) daemon.call("event.next");
        assertEquals("add", ((Map<?, ?>) events.getFirst()).get("operation"));
        daemon.call("event.unregister", List.of("secret"));
    }

    @Test
    void injectsEvents() {
        String host = daemon.only("host");
        String token = token(from("", 0, "host"));
        daemon.call("event.inject", "host", host);
        assertEquals(List.of("host mod"), told(from(token, 0, "host")));
    }

    @Test
    void carriesOutCallsThatNobodyWaitsFor() {
        String token = token(from("", 0, "task"));
        String sr =
                (String)
                        daemon.call(
                                "Async.SR.create",
                                daemon.only("host"),
                                Map.of("location", "b"),
                                0L,
                                "two",
                                "",
                                "fake",
                                "",
                                false,
                                Map.of());
        Map<?, ?> task = ended(sr, token);
        assertEquals("success", task.get("status"));
        String ref = daemon.only("SR");
        assertEquals("<value>" + ref + "</value>", task.get("result"));
        daemon.call("task.destroy", sr);
        assertThrows(StorageException.class, () -> daemon.call("task.get_status", sr));
        String failing = (String) daemon.call("Async.SR.destroy", ref);
        Map<?, ?> failed = ended(failing, token);
        assertEquals("failure", failed.get("status"));
        assertEquals(List.of("SR_HAS_PBD", ref), failed.get("error_info"));
        assertEquals(
                ErrorCode.MESSAGE_METHOD_UNKNOWN,
                assertThrows(StorageException.class, () -> daemon.call("Async.SR.get_uuid", ref))
                        .code());
    }

    /** Follows a task by its events until it has ended, as clients do. */
    private Map<?, ?> ended(String task, String from) {
        String token = from;
        while (true) {
            Map<?, ?> batch = from(token, 30, "task/" + task);
            assertFalse(events(batch).isEmpty(), "the task does not end");
            Map<String, Object> last =
                    ((ApiType.AnyRecord.Value) events(batch).getLast().get("snapshot")).fields();
            if (!last.get("status").equals("pending")) {
                return last;
            }
            token = token(batch);
        }
    }
}
