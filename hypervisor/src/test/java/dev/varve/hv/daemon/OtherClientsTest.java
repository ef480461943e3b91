// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.nbd.Tool;
import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.NetworkDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Programs that others wrote, against the API: npm's xen-api, curl, openssl, Python. */
@Tag("real")
final class OtherClientsTest {
    private static final String LIST =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.listMethods\"}";

    @TempDir Path home;
    @TempDir Path scratch;
    private NetworkDaemon daemon;

    @BeforeEach
    void start() throws IOException {
        daemon = new NetworkDaemon(home, new FakeStorage());
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private Path script(String name) throws IOException {
        Path copy = scratch.resolve(name);
        try (InputStream in = OtherClientsTest.class.getResourceAsStream("/clients/" + name)) {
            Files.copy(in, copy);
        }
        return copy;
    }

    /** The folder of the packages of npm that {@code ./varve test} installs. */
    private static Path nodeModules() {
        Path modules =
                Path.of(System.getProperty("varve.root"))
                        .resolve("target/test/node-clients/node_modules");
        assumeTrue(
                Files.isDirectory(modules.resolve("xen-api")),
                "needs the npm package xen-api, which ./varve test installs when npm is there");
        return modules;
    }

    @ParameterizedTest
    @CsvSource({"http,json-rpc", "http,xml-rpc", "https,auto", "https,xml-rpc"})
    void servesTheClientOfNpm(String scheme, String transport) throws Exception {
        Tool.require("node");
        String said =
                Tool.run(
                        "env",
                        "NODE_EXTRA_CA_CERTS=" + daemon.certificate(),
                        "node",
                        script("xen-api.mjs").toString(),
                        nodeModules().toString(),
                        daemon.address(scheme),
                        transport,
                        NetworkDaemon.PASSWORD,
                        "a");
        assertEquals(11, said.lines().filter(line -> line.startsWith("done: ")).count(), said);
    }

    private static Tool.Result curl(String... options) throws Exception {
        Tool.require("curl");
        List<String> command = new ArrayList<>(List.of("curl", "-sS", "--max-time", "20"));
        command.addAll(List.of(options));
        return Tool.tryRun(command.toArray(String[]::new));
    }

    private static String curlOk(String... options) throws Exception {
        Tool.Result result = curl(options);
        assertEquals(0, result.status(), result.output());
        return result.output();
    }

    private static void lists(String answer) {
        assertTrue(answer.contains("\"result\":[") && answer.contains("VDI.snapshot"), answer);
    }

    @Test
    void answersCurlOnEveryWay() throws Exception {
        lists(
                curlOk(
                        "--unix-socket",
                        daemon.daemon.socket().toString(),
                        "-d",
                        LIST,
                        "http://localhost/jsonrpc"));
        lists(curlOk("-d", LIST, daemon.address("http") + "/jsonrpc"));
        String[] certified = {"--cacert", daemon.certificate().toString(), "-d", LIST};
        for (String host : List.of("localhost", "127.0.0.1")) {
            lists(
                    curlOk(
                            certified[0],
                            certified[1],
                            certified[2],
                            certified[3],
                            "https://" + host + ":" + daemon.port("https") + "/jsonrpc"));
        }
    }

    @Test
    void isNotTakenForAnotherHost() throws Exception {
        int port = daemon.port("https");
        Tool.Result refused =
                curl(
                        "--cacert",
                        daemon.certificate().toString(),
                        "--connect-to",
                        "elsewhere.example:" + port + ":127.0.0.1:" + port,
                        "-d",
                        LIST,
                        "https://elsewhere.example:" + port + "/jsonrpc");
        assertEquals(60, refused.status(), refused.output());
        Tool.Result unknown = curl("-d", LIST, daemon.address("https") + "/jsonrpc");
        assertEquals(60, unknown.status(), "nobody believes it without having its certificate");
    }

    @Test
    void keepsConnectionsOfCurl() throws Exception {
        String address = daemon.address("http") + "/jsonrpc";
        String count = "%{num_connects},";
        String said = curlOk("-o", "/dev/null", "-w", count, "-d", LIST, address, address);
        assertTrue(said.startsWith("1,"), said);
        String twice =
                curlOk(
                        "-w",
                        count,
                        "-d",
                        LIST,
                        "-o",
                        scratch.resolve("1").toString(),
                        address,
                        "-o",
                        scratch.resolve("2").toString(),
                        address);
        assertEquals("1,0,", twice);
        lists(Files.readString(scratch.resolve("2")));
        String older =
                curlOk("-i", "--http1.0", "-d", LIST, address).toLowerCase(java.util.Locale.ROOT);
        assertTrue(older.contains("connection: close\r\n"), older);
    }

    @Test
    void takesBodiesInTheWaysOfCurl() throws Exception {
        String address = daemon.address("http") + "/jsonrpc";
        String expecting = curlOk("-v", "-H", "Expect: 100-continue", "-d", LIST, address);
        assertTrue(expecting.contains("HTTP/1.1 100 Continue"), expecting);
        lists(expecting);
        lists(curlOk("-H", "Transfer-Encoding: chunked", "-d", LIST, address));
        String asked =
                curlOk(
                        "-i",
                        "-X",
                        "OPTIONS",
                        "-H",
                        "Origin: https://pages.example",
                        "-H",
                        "Access-Control-Request-Headers: content-type",
                        address);
        assertTrue(asked.startsWith("HTTP/1.1 200"), asked);
        assertTrue(asked.contains("access-control-allow-origin: *"), asked);
        assertTrue(curlOk("-I", address).startsWith("HTTP/1.1 404"));
        Path large = scratch.resolve("large");
        Files.writeString(large, " ".repeat(2 << 20));
        Tool.Result tooLarge =
                curl("-o", "/dev/null", "-w", "%{http_code}", "-d", "@" + large, address);
        assertTrue(tooLarge.output().contains("413"), tooLarge.output());
    }

    private Tool.Result openssl(String... options) throws Exception {
        Tool.require("openssl");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                // It ends with its input.
                                "sh",
                                "-c",
                                "exec \"$@\" </dev/null",
                                "sh",
                                "openssl",
                                "s_client",
                                "-connect",
                                "localhost:" + daemon.port("https"),
                                "-CAfile",
                                daemon.certificate().toString(),
                                "-verify_return_error",
                                "-verify_hostname",
                                "localhost",
                                "-showcerts"));
        command.addAll(List.of(options));
        return Tool.tryRun(command.toArray(String[]::new));
    }

    @Test
    void speaksTheVersionsOfTlsThatAreSafe() throws Exception {
        for (String version : List.of("-tls1_2", "-tls1_3")) {
            Tool.Result result = openssl(version);
            assertEquals(0, result.status(), result.output());
            assertTrue(result.output().contains("Verify return code: 0 (ok)"), result.output());
            assertTrue(result.output().contains("-----BEGIN CERTIFICATE-----"), result.output());
        }
        for (String version : List.of("-tls1", "-tls1_1")) {
            // Without the second option the program itself refuses.
            Tool.Result result = openssl(version, "-cipher", "ALL:@SECLEVEL=0");
            assertNotEquals(0, result.status(), result.output());
            assertTrue(result.output().contains("Cipher is (NONE)"), result.output());
            assertTrue(result.output().contains("alert protocol version"), result.output());
        }
    }

    @Test
    void answersTheClientOfPython() throws Exception {
        Tool.require("python3");
        String script = script("xmlrpc-client.py").toString();
        for (String scheme : List.of("http", "https")) {
            String said =
                    Tool.run(
                            "env",
                            "SSL_CERT_FILE=" + daemon.certificate(),
                            "/usr/bin/python3",
                            script,
                            daemon.address(scheme),
                            NetworkDaemon.PASSWORD);
            assertEquals(6, said.lines().filter(line -> line.startsWith("done: ")).count(), said);
        }
    }

    /** There are no virtual machines yet but the host's own, which this program leaves alone. */
    @Test
    void answersTheFenceAgentOfDebian() throws Exception {
        Tool.require("fence_xenapi");
        String none = fence(0, NetworkDaemon.PASSWORD, "list").strip();
        assertEquals("", none);
        fence(1, "a wrong password", "list");
        String missing = fence(1, NetworkDaemon.PASSWORD, "status", "--plug", "no such machine");
        assertTrue(missing.contains("NAME_INVALID"), missing);
    }

    private String fence(int status, String password, String action, String... more)
            throws Exception {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "/usr/sbin/fence_xenapi",
                                "--session-url",
                                daemon.address("http"),
                                "--username",
                                "root",
                                "--password",
                                password,
                                "--action",
                                action));
        command.addAll(List.of(more));
        Tool.Result result = Tool.tryRun(command.toArray(String[]::new));
        assertEquals(status, result.status(), result.output());
        return result.output();
    }
}
