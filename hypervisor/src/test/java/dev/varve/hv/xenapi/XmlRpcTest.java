// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.schema.ApiSchema;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

final class XmlRpcTest {
    private static XmlCall parse(String xml) throws IOException {
        return XmlCall.parse(xml.getBytes(StandardCharsets.UTF_8));
    }

    private static String call(String values) {
        return "<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params>"
                + values
                + "</params></methodCall>";
    }

    @Test
    void readsWhatDifferentClientsWrite() throws IOException {
        String python =
                """
                <?xml version='1.0'?>
                <methodCall>
                <methodName>session.login_with_password</methodName>
                <params>
                <param>
                <value><string>root</string></value>
                </param>
                <param>
                <value><int>7</int></value>
                </param>
                <param>
                <value><array><data>
                <value><boolean>1</boolean></value>
                <value><double>60.1</double></value>
                </data></array></value>
                </param>
                <param>
                <value><struct>
                <member>
                <name>key</name>
                <value><string>a &lt; b &amp; c</string></value>
                </member>
                </struct></value>
                </param>
                </params>
                </methodCall>
                """;
        assertEquals(
                new XmlCall(
                        "session.login_with_password",
                        List.of("root", 7L, List.of(true, 60.1), Map.of("key", "a < b & c"))),
                parse(python));
        assertEquals(
                new XmlCall("a.b", Arrays.asList("text", "", null, "20260102T03:04:05Z")),
                parse(
                        call(
                                "<param><value>text</value></param><param><value></value></param>"
                                        + "<param><value><nil/></value></param><param><value>"
                                        + "<dateTime.iso8601>20260102T03:04:05Z</dateTime.iso8601>"
                                        + "</value></param>")));
        assertEquals(
                new XmlCall("x", List.of()),
                parse("<methodCall><methodName>x</methodName><params /></methodCall>"));
        assertEquals(
                new XmlCall("x", List.of()),
                parse("<methodCall><methodName>x</methodName></methodCall>"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "no xml",
                "<methodCall>",
                "<methodCall><params/></methodCall>",
                "<other><methodName>x</methodName></other>",
                "<methodCall><methodName>x</methodName><more/></methodCall>",
                "<methodCall><methodName>x</methodName><params><param/></params></methodCall>",
                "<methodCall><methodName>x</methodName><params><param><value><int>1x</int>"
                        + "</value></param></params></methodCall>",
                "<methodCall><methodName>x</methodName><params><param><value><boolean>2"
                        + "</boolean></value></param></params></methodCall>",
                "<methodCall><methodName>x</methodName><params><param><value><base64>eA=="
                        + "</base64></value></param></params></methodCall>",
                "<methodCall><methodName>x</methodName><params><param><value><string>a</string>"
                        + "<string>b</string></value></param></params></methodCall>",
            })
    void refusesWhatIsNoCall(String xml) {
        assertThrows(MalformedCallException.class, () -> parse(xml));
    }

    @Test
    void expandsNoEntitiesAndFetchesNone(@TempDir Path directory) throws IOException {
        String bomb =
                "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
                        + "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
                        + "<methodCall><methodName>&b;</methodName></methodCall>";
        assertThrows(MalformedCallException.class, () -> parse(bomb));
        Path secret = directory.resolve("secret");
        java.nio.file.Files.writeString(secret, "session.get_uuid");
        String fetch =
                "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY f SYSTEM '"
                        + secret.toUri()
                        + "'>]><methodCall><methodName>&f;</methodName></methodCall>";
        assertThrows(MalformedCallException.class, () -> parse(fetch));
    }

    @Test
    void refusesValuesThatNestTooDeep() {
        String open = "<value><array><data>".repeat(XmlCall.MOST_LEVELS + 2);
        String close = "</data></array></value>".repeat(XmlCall.MOST_LEVELS + 2);
        assertThrows(
                MalformedCallException.class,
                () -> parse(call("<param>" + open + close + "</param>")));
    }

    @Test
    void answersInTheFormThatClientsKnow(@TempDir Path home) throws IOException {
        try (TestDaemon daemon = new TestDaemon(home, new FakeStorage())) {
            XmlRpc xml = new XmlRpc(daemon.daemon.dispatcher(), ApiSchema.XENAPI);
            String login =
                    answer(
                            xml,
                            "session.login_with_password",
                            "<param><value>root</value></param><param><value></value></param>");
            assertTrue(
                    login.startsWith(
                            "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>"
                                    + "<member><name>Status</name><value>Success</value></member>"
                                    + "<member><name>Value</name><value>OpaqueRef:"),
                    login);
            String session =
                    login.substring(
                            login.indexOf("OpaqueRef:"), login.lastIndexOf("</value></member>"));
            String mine = "<param><value>" + session + "</value></param>";
            String hosts = answer(xml, "host.get_all_records", mine);
            assertTrue(
                    hosts.contains("<name>API_version_major</name><value>2</value>"),
                    "integers are texts");
            assertTrue(
                    hosts.contains("<name>multipathing</name><value><boolean>0</boolean></value>"),
                    hosts);
            daemon.call("task.create", "a & b", "");
            String tasks = answer(xml, "task.get_all_records", mine);
            assertTrue(tasks.contains("<name>progress</name><value><double>0.0</double>"), tasks);
            assertTrue(tasks.contains("<name>name_label</name><value>a &amp; b</value>"), tasks);
            assertTrue(tasks.contains("<value><dateTime.iso8601>"), tasks);
            String wrong = answer(xml, "VDI.get_by_uuid", mine + "<param><value>1</value></param>");
            assertTrue(
                    wrong.contains(
                            "<name>Status</name><value>Failure</value></member><member><name>"
                                    + "ErrorDescription</name><value><array><data><value>"
                                    + "UUID_INVALID</value><value>VDI</value><value>1</value>"),
                    wrong);
            String methods = answer(xml, "system.listMethods", "");
            assertTrue(
                    methods.startsWith(
                            "<?xml version=\"1.0\"?><methodResponse><params><param><value><array>"
                                    + "<data><value>"),
                    methods);
            String events =
                    answer(
                            xml,
                            "event.from",
                            mine
                                    + "<param><value><array><data><value>task</value></data></array>"
                                    + "</value></param><param><value></value></param>"
                                    + "<param><value><double>0</double></value></param>");
            assertTrue(
                    events.contains(
                            "<name>valid_ref_counts</name><value><struct><member><name>"
                                    + "task</name><value><i4>1</i4></value>"),
                    events);
            assertTrue(events.contains("<name>snapshot</name><value><struct>"), events);
        }
    }

    private static String answer(XmlRpc xml, String method, String params) throws IOException {
        String request =
                "<methodCall><methodName>"
                        + method
                        + "</methodName><params>"
                        + params
                        + "</params></methodCall>";
        return new String(
                xml.answer(Caller.LOCAL, request.getBytes(StandardCharsets.UTF_8)),
                StandardCharsets.UTF_8);
    }
}
