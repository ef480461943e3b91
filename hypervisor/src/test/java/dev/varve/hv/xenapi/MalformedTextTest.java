// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.schema.ApiSchema;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

import javax.xml.parsers.DocumentBuilderFactory;

/** Texts that are no calls, or calls that say something odd, in both protocols. */
final class MalformedTextTest {
    private static final ApiSchema SCHEMA = ApiSchema.XENAPI;

    @TempDir Path home;
    private TestDaemon daemon;
    private JsonRpc json;
    private XmlRpc xml;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, new FakeStorage());
        json = new JsonRpc(daemon.daemon.dispatcher());
        xml = new XmlRpc(daemon.daemon.dispatcher(), SCHEMA);
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A text with bytes in it that no text has. */
    private static byte[] with(String before, String after, int... bytes) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(bytes(before));
        for (int b : bytes) {
            all.write(b);
        }
        all.writeBytes(bytes(after));
        return all.toByteArray();
    }

    private static String call(String param) {
        return "{\"method\":\"session.logout\",\"params\":[" + param + "]}";
    }

    private static String xmlCall(String value) {
        return "<methodCall><methodName>session.logout</methodName><params><param>"
                + value
                + "</param></params></methodCall>";
    }

    @Test
    void refusesWhatIsNoCallInJson() {
        List<byte[]> texts =
                List.of(
                        bytes(""),
                        bytes(" "),
                        bytes("null"),
                        bytes("7"),
                        bytes("[]"),
                        bytes("{}"),
                        bytes("[{\"method\":\"system.listMethods\"}]"),
                        bytes("{\"method\":7}"),
                        bytes("{\"method\":\"x\",\"params\":{}}"),
                        bytes("{\"method\":\"x\",\"params\":[}"),
                        bytes("{\"method\":\"x\"} {\"method\":\"y\"}"),
                        bytes("{\"method\":\"x\"}x"),
                        bytes("{'method':'x'}"),
                        bytes(call("[".repeat(100_000))),
                        bytes(call("[".repeat(70) + "]".repeat(70))),
                        bytes(call("9".repeat(100_000))),
                        bytes(call("{},".repeat(60_000) + "1")),
                        bytes(call("\"\u0001\"")),
                        bytes(call("\"\\x\"")),
                        bytes(call("NaN")),
                        bytes(call("{\"\\ud800\":1}")),
                        with("{\"method\":\"", "\"}", 0xff, 0xfe),
                        with("{\"method\":\"", "\"}", 0xc0, 0x80),
                        with("{\"method\":\"", "\"}", 0xed, 0xa0, 0x80),
                        with("{\"method\":\"", "\"}", 0xf8, 0x88, 0x80, 0x80, 0x80),
                        with("{\"method\":\"", "", 0xe2, 0x82));
        for (byte[] text : texts) {
            assertThrows(
                    MalformedCallException.class,
                    () -> json.answer(Caller.LOCAL, text),
                    () -> new String(text, 0, Math.min(80, text.length), StandardCharsets.UTF_8));
        }
    }

    @Test
    void answersCallsThatSaySomethingOddInJson() throws Exception {
        for (String param :
                List.of(
                        "\"\\u0000\"",
                        "\"\\ud800\"",
                        "\"\\udfff\\ud800\"",
                        "1e400",
                        "-1e-400",
                        "9".repeat(900),
                        "1." + "0".repeat(900),
                        "null",
                        "{\"\\u0000\":{\"a\":[]}}",
                        "[[[[[[]]]]]]",
                        "\"" + "x".repeat(1_000_000) + "\"")) {
            String answer =
                    new String(
                            json.answer(Caller.LOCAL, bytes(call(param))), StandardCharsets.UTF_8);
            assertTrue(answer.contains("SESSION_INVALID"), answer);
            Json.parse(bytes(answer));
        }
        String odd = "{\"id\":{\"a\":[\"\\ud800\"]},\"method\":\"\\u0000\\ud800\"}";
        String answer = new String(json.answer(Caller.LOCAL, bytes(odd)), StandardCharsets.UTF_8);
        assertTrue(answer.contains("MESSAGE_METHOD_UNKNOWN"), answer);
    }

    @Test
    void refusesWhatIsNoCallInXml() {
        String bomb =
                "<!DOCTYPE b [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
                        + "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]>";
        List<byte[]> texts =
                List.of(
                        bytes(bomb + xmlCall("<value>&c;</value>")),
                        bytes(
                                "<!DOCTYPE b [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>"
                                        + xmlCall("<value>&f;</value>")),
                        bytes(
                                "<!DOCTYPE b SYSTEM \"http://127.0.0.1:1/b.dtd\">"
                                        + xmlCall("<value/>")),
                        bytes(xmlCall("<value>&unknown;</value>")),
                        bytes(xmlCall("<value>&#0;</value>")),
                        bytes(xmlCall("<value>&#xd800;</value>")),
                        bytes(xmlCall("<value>&#x110000;</value>")),
                        bytes(xmlCall("<value>\u0001</value>")),
                        bytes(xmlCall("<value>\uffff</value>")),
                        bytes(xmlCall("<value><i4>" + "9".repeat(100_000) + "</i4></value>")),
                        bytes(xmlCall("<value><double>x</double></value>")),
                        bytes(xmlCall("<value><array><data>".repeat(50_000))),
                        bytes(xmlCall("<value/>") + "<more/>"),
                        bytes(xmlCall("<value>]]></value>")),
                        bytes("<?xml version=\"1.0\" encoding=\"no-such\"?>" + xmlCall("<value/>")),
                        with("<methodCall><methodName>", "</methodName></methodCall>", 0xff),
                        with("<methodCall><methodName>", "</methodName></methodCall>", 0xc0, 0x80),
                        with("<methodCall><methodName>", "", 0xed, 0xa0, 0x80));
        PrintStream before = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setErr(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            for (byte[] text : texts) {
                assertThrows(
                        MalformedCallException.class,
                        () -> xml.answer(Caller.LOCAL, text),
                        () -> new String(text, StandardCharsets.UTF_8));
            }
        } finally {
            System.setErr(before);
        }
        // Whoever can send something could fill the disk of the host.
        assertEquals("", printed.toString(StandardCharsets.UTF_8));
    }

    @Test
    void readsTheEncodingThatXmlNames() throws Exception {
        String head = "<?xml version='1.0' encoding='ISO-8859-1'?>";
        XmlCall call =
                XmlCall.parse(
                        with(
                                head + "<methodCall><methodName>",
                                "</methodName></methodCall>",
                                0xe9));
        assertEquals("\u00e9", call.method());
        call =
                XmlCall.parse(
                        with(
                                "",
                                "<methodCall><methodName>x</methodName></methodCall>",
                                0xef,
                                0xbb,
                                0xbf));
        assertEquals("x", call.method());
    }

    @Test
    void answersCallsThatSaySomethingOddInXml() throws Exception {
        for (String value :
                List.of(
                        "<value><double>NaN</double></value>",
                        "<value><double>-Infinity</double></value>",
                        "<value><double>1e999</double></value>",
                        "<value><i8>-9223372036854775808</i8></value>",
                        "<value><nil/></value>",
                        "<value>&#13;&#10;&#x1f600;</value>",
                        "<value><![CDATA[<&>]]></value>",
                        "<value><struct/></value>",
                        "<value><!-- nothing --></value>",
                        "<value>" + "x".repeat(1_000_000) + "</value>")) {
            byte[] answer = xml.answer(Caller.LOCAL, bytes(xmlCall(value)));
            String text = new String(answer, StandardCharsets.UTF_8);
            assertTrue(text.contains("SESSION_INVALID"), text);
            assertFalse(text.contains("INTERNAL_ERROR"), text);
            DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(new ByteArrayInputStream(answer));
        }
    }
}
