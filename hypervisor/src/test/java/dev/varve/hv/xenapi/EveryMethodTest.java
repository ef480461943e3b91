// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiMethod;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

import javax.xml.parsers.DocumentBuilderFactory;

/** Calls every method of the schema in ways that make no sense. The caller is told so each time. */
final class EveryMethodTest {
    private static final ApiSchema SCHEMA = ApiSchema.XENAPI;
    private static final String UNKNOWN = "OpaqueRef:there-is-none";

    /** Texts and numbers at and over the edges of what is taken. */
    private static final List<Object> ODD =
            Arrays.asList(
                    null,
                    "",
                    "\u0000",
                    "a\u0001b\ud800",
                    "OpaqueRef:\u0000\uffff",
                    "x".repeat(100_000),
                    "\u202e\u00e9\ud83d\ude00",
                    -1L,
                    0L,
                    Long.MAX_VALUE,
                    Long.MIN_VALUE,
                    1e300,
                    Double.NaN,
                    Double.NEGATIVE_INFINITY,
                    true,
                    List.of(),
                    List.of(List.of("x")),
                    Arrays.asList("x", null),
                    Map.of(),
                    Map.of("\u0000", "x"),
                    Map.of("x", "\u0001"),
                    Map.of("x", List.of()));

    /** Whose tasks are waited for together. */
    private static final int METHODS_AT_ONCE = 8;

    @TempDir Path home;
    private TestDaemon daemon;
    private final List<String> wrong = new ArrayList<>();
    private String sessionOf = "";
    private String session = "";

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, new FakeStorage());
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String login() {
        return (String)
                daemon.daemon
                        .dispatcher()
                        .call(Caller.LOCAL, "session.login_with_password", List.of("root", ""));
    }

    /** The failure of a call, if it fails. Each method has a session of its own. */
    private Optional<StorageException> attempt(ApiMethod method, String prefix, List<?> args) {
        if (!method.fullName().equals(sessionOf) || sessionOf.equals("session.logout")) {
            sessionOf = method.fullName();
            session = login();
        }
        List<Object> params = new ArrayList<>();
        if (!method.anonymous()) {
            params.add(session);
        }
        params.addAll(args);
        try {
            daemon.daemon.dispatcher().call(Caller.LOCAL, prefix + method.fullName(), params);
            return Optional.empty();
        } catch (StorageException e) {
            if (e.code() == ErrorCode.INTERNAL_ERROR) {
                wrong.add(prefix + method.fullName() + brief(args) + ": " + e.sentence());
            }
            return Optional.of(e);
        }
    }

    private static String brief(List<?> args) {
        String text = args.toString();
        return text.length() > 200 ? text.substring(0, 200) + "..." : text;
    }

    private void expect(ErrorCode code, ApiMethod method, List<?> args) {
        Optional<ErrorCode> got = attempt(method, "", args).map(StorageException::code);
        if (!got.equals(Optional.of(code))) {
            wrong.add(method.fullName() + brief(args) + ": " + got + " instead of " + code);
        }
    }

    private void nothingWrong() {
        assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
    }

    /** Arguments that have the right types and name nothing. */
    private static List<Object> plausible(ApiMethod method) {
        List<Object> args = new ArrayList<>();
        for (ApiMethod.Param param : method.params()) {
            args.add(
                    param.type() instanceof ApiType.Ref
                            ? UNKNOWN
                            : param.name().equals("type") ? "fake" : param.type().zero());
        }
        return args;
    }

    @Test
    void countsParameters() {
        for (ApiMethod method : SCHEMA.methods()) {
            List<Object> args = plausible(method);
            int least = args.size() - method.optional();
            if (least > 0) {
                expect(
                        ErrorCode.MESSAGE_PARAMETER_COUNT_MISMATCH,
                        method,
                        args.subList(0, least - 1));
            }
            List<Object> more = new ArrayList<>(args);
            more.add("too much");
            expect(ErrorCode.MESSAGE_PARAMETER_COUNT_MISMATCH, method, more);
            if (!method.anonymous()) {
                StorageException failure =
                        assertThrows(
                                StorageException.class,
                                () ->
                                        daemon.daemon
                                                .dispatcher()
                                                .call(Caller.LOCAL, method.fullName(), List.of()));
                assertEquals(ErrorCode.MESSAGE_PARAMETER_COUNT_MISMATCH, failure.code());
                assertEquals(
                        List.of(method.fullName(), Integer.toString(args.size() + 1), "0"),
                        failure.params());
            }
        }
        nothingWrong();
    }

    @Test
    void tellsTypesThatDoNotFit() {
        for (ApiMethod method : SCHEMA.methods()) {
            List<Object> args = plausible(method);
            for (int i = 0; i < args.size(); i++) {
                List<Object> bent = new ArrayList<>(args);
                boolean list = method.params().get(i).type() instanceof ApiType.SetOf;
                bent.set(i, list ? Map.of("x", "y") : List.of(Map.of()));
                expect(ErrorCode.FIELD_TYPE_ERROR, method, bent);
                bent.set(i, null);
                expect(ErrorCode.FIELD_TYPE_ERROR, method, bent);
            }
        }
        nothingWrong();
    }

    @Test
    void knowsNoReferenceThatItDidNotGive() {
        for (ApiMethod method : SCHEMA.methods()) {
            if (!method.params().isEmpty()
                    && method.params().getFirst().type() instanceof ApiType.Ref ref) {
                for (String handle : List.of(UNKNOWN, "", "OpaqueRef:NULL", "x\u0000\ud800")) {
                    List<Object> args = plausible(method);
                    args.set(0, handle);
                    expect(ErrorCode.HANDLE_INVALID, method, args);
                }
                if (!ref.className().equals("pool")) {
                    List<Object> args = plausible(method);
                    args.set(0, daemon.only("pool"));
                    expect(ErrorCode.HANDLE_INVALID, method, args);
                }
            }
        }
        nothingWrong();
    }

    /** A reference of the class that is good. */
    private String good(String className) {
        if (SCHEMA.find(className).isEmpty() || className.equals("session")) {
            return UNKNOWN;
        }
        Map<?, ?> all = (Map<?, ?>) daemon.call(className + ".get_all_records");
        for (Map.Entry<?, ?> row : all.entrySet()) {
            // What a snapshot leaves below a disk is no disk of its own.
            if (!Boolean.FALSE.equals(((Map<?, ?>) row.getValue()).get("managed"))) {
                return (String) row.getKey();
            }
        }
        return switch (className) {
            case "SR", "PBD" -> {
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
                yield good(className);
            }
            case "VDI" ->
                    (String)
                            daemon.call(
                                    "VDI.create",
                                    Map.of(
                                            "SR",
                                            freshSr(),
                                            "virtual_size",
                                            1L << 20,
                                            "name_label",
                                            "disk",
                                            "type",
                                            "user"));
            case "VBD" ->
                    (String)
                            daemon.call(
                                    "VBD.create",
                                    Map.of(
                                            "VM", daemon.only("VM"),
                                            "VDI", good("VDI"),
                                            "userdevice", "autodetect"));
            case "secret" -> (String) daemon.call("secret.create", Map.of("value", "s"));
            case "task" -> (String) daemon.call("task.create", "t", "");
            default -> UNKNOWN;
        };
    }

    private String freshSr() {
        return (String)
                daemon.call(
                        "SR.create",
                        daemon.only("host"),
                        Map.of("location", "x" + System.nanoTime()),
                        0L,
                        "another",
                        "",
                        "fake",
                        "",
                        false,
                        Map.of());
    }

    private List<Object> sensible(ApiMethod method) {
        List<Object> args = new ArrayList<>();
        for (ApiMethod.Param param : method.params()) {
            args.add(
                    param.type() instanceof ApiType.Ref ref
                            ? good(ref.className())
                            : param.type().zero());
        }
        return args;
    }

    /** Waiting for long is what event.from is asked for with a large number. */
    private static boolean waits(ApiMethod method, Object odd) {
        return method.fullName().equals("event.from") && odd instanceof Number;
    }

    @Test
    @Tag("real") // it takes a while
    void survivesOddValuesForObjectsThatAreThere() throws Exception {
        for (ApiMethod method : SCHEMA.methods()) {
            for (int i = 0; i < method.params().size(); i++) {
                for (Object odd : ODD) {
                    if (waits(method, odd)) {
                        continue;
                    }
                    List<Object> args = sensible(method);
                    args.set(i, odd);
                    attempt(method, "", args);
                }
            }
        }
        nothingWrong();
        everyProtocolStillCarriesAllThereIs();
    }

    /** Nothing that was taken above may be something that a protocol cannot say. */
    private void everyProtocolStillCarriesAllThereIs() throws Exception {
        for (ApiClass type : SCHEMA.classes()) {
            if (!type.is(ApiClass.Trait.UNLISTED)) {
                everyProtocolCarries(type.name());
            }
        }
    }

    private void everyProtocolCarries(String className) throws Exception {
        String call =
                "<methodCall><methodName>%s.get_all_records</methodName><params><param><value>%s</value></param></params></methodCall>"
                        .formatted(className, login());
        byte[] answer =
                new XmlRpc(daemon.daemon.dispatcher(), SCHEMA)
                        .answer(Caller.LOCAL, call.getBytes(StandardCharsets.UTF_8));
        String text = new String(answer, StandardCharsets.UTF_8);
        DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(text)));
        assertTrue(text.contains("Success"), text);
    }

    @Test
    @Tag("real") // it takes a while
    void survivesOddValuesInCallsThatNobodyWaitsFor() throws Exception {
        int methods = 0;
        for (ApiMethod method : SCHEMA.methods()) {
            if (!SCHEMA.canBeAsync(method)) {
                continue;
            }
            for (int i = 0; i < method.params().size(); i++) {
                for (Object odd : ODD) {
                    List<Object> args = plausible(method);
                    args.set(i, odd);
                    attempt(method, "Async.", args);
                }
            }
            if (++methods % METHODS_AT_ONCE == 0) {
                awaitTasks();
            }
        }
        awaitTasks();
        nothingWrong();
        everyProtocolStillCarriesAllThereIs();
    }

    private void awaitTasks() throws Exception {
        String token = "";
        boolean pending = true;
        while (pending) {
            Map<?, ?> batch = (Map<?, ?>) daemon.call("event.from", List.of("task"), token, 20.0);
            token = (String) batch.get("token");
            Map<?, ?> tasks = (Map<?, ?>) daemon.call("task.get_all_records");
            pending = false;
            for (Object row : tasks.values()) {
                Map<?, ?> task = (Map<?, ?>) row;
                pending |= task.get("status").equals("pending");
                if (task.get("error_info").toString().contains("INTERNAL_ERROR")) {
                    wrong.add(task.get("name_label") + ": " + task.get("error_info"));
                }
            }
        }
        everyProtocolCarries("task");
        for (Object ref : (List<?>) daemon.call("task.get_all")) {
            daemon.call("task.destroy", ref);
        }
    }
}
