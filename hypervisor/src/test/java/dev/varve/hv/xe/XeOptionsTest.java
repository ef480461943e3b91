// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Where the client takes its settings from, and which of them count. */
final class XeOptionsTest {
    @TempDir Path user;

    private XeOptions options(String environment, String... args) throws IOException {
        return XeOptions.of(user.resolve(".xe"), environment, args);
    }

    private String failure(String environment, String... args) {
        return assertThrows(IOException.class, () -> options(environment, args)).getMessage();
    }

    private void file(String... lines) throws IOException {
        Files.write(user.resolve(".xe"), List.of(lines));
    }

    private String serverOf(XeOptions options) {
        return options.server(user, System.err).toString();
    }

    @Test
    void leavesWordsForTheDaemonAsTheyAre() throws IOException {
        XeOptions options = options(null, "sr-list", "params=all", "--minimal", "name=-s");
        assertEquals(List.of("sr-list", "params=all", "--minimal", "name=-s"), options.words());
        assertEquals("the daemon under " + user, serverOf(options));
        assertFalse(options.debug());
    }

    @Test
    void takesTheCommandLineOverTheEnvironmentOverTheFile() throws IOException {
        file("# mine", "", "server = a.example", "port=1001", "username=ann", "password=from file");
        XeOptions options = options(null, "sr-list");
        assertEquals("https://a.example:1001", serverOf(options));
        assertEquals(List.of("sr-list", "username=ann", "password=from file"), options.words());

        options = options("server=b.example, port=1002,username=bob", "sr-list");
        assertEquals("https://b.example:1002", serverOf(options));
        assertEquals(List.of("sr-list", "username=bob", "password=from file"), options.words());

        options = options("port=1002,nossl", "-s", "c.example", "-u", "carl", "-pw", "a=b,c", "x");
        assertEquals("http://c.example:1002", serverOf(options));
        assertEquals(List.of("x", "username=carl", "password=a=b,c"), options.words());
    }

    @Test
    void choosesPortsByWhetherTlsIsSpoken() throws IOException {
        assertEquals("https://a.example:443", serverOf(options(null, "-s", "a.example")));
        assertEquals("http://a.example:80", serverOf(options(null, "-h", "a.example", "--nossl")));
        assertEquals("https://localhost:8443", serverOf(options(null, "-p", "8443")));
        assertEquals("the daemon under " + user, serverOf(options(null, "-s", "localhost")));
        assertEquals("the daemon under " + user, serverOf(options(null, "-s", "127.0.0.1")));
        assertEquals("https://[::1]:443", serverOf(options(null, "-s", "::1")));
    }

    @Test
    void readsPasswordsFromFiles() throws IOException {
        Path secret = Files.writeString(user.resolve("pw"), "a secret \nnot this\n");
        assertEquals(
                List.of("password=a secret "), options(null, "-pwf", secret.toString()).words());
        assertEquals(List.of("password=a secret "), options("passwordfile=" + secret).words());
        Files.writeString(secret, "");
        assertEquals(List.of(), options(null, "-pwf", secret.toString()).words());
        Path missing = user.resolve("missing");
        assertEquals("there is no password file " + missing, failure(null, "-pwf", "" + missing));
        assertTrue(
                failure(null, "-pwf", user.toString()).startsWith("cannot read the password file"),
                "a directory");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "65536", "x", "", "8443x", "99999999999"})
    void refusesPortsThatAreNone(String port) throws IOException {
        String said = failure(null, "-p", port);
        assertTrue(said.startsWith("-p: "), said);
        assertTrue(said.contains("between 1 and 65535"), said);
        said = failure("port=" + port);
        assertTrue(said.startsWith("XE_EXTRA_ARGS: "), said);
        file("port=" + port);
        said = failure(null);
        assertTrue(said.startsWith(user.resolve(".xe") + ": "), said);
    }

    @Test
    void saysWhatItDoesNotKnow() throws IOException {
        assertTrue(failure("sever=x").startsWith("XE_EXTRA_ARGS: there is no setting sever;"));
        for (String option : List.of("-s", "-h", "-p", "-u", "-pw", "-pwf")) {
            assertEquals("the option " + option + " needs a value", failure(null, "a", option));
        }
        file("password");
        assertTrue(failure(null).contains("password"), "a password that was forgotten");
    }

    @Test
    void knowsSwitches() throws IOException {
        assertTrue(options(null, "--debug").debug());
        assertTrue(options("debug=true").debug());
        assertFalse(options("debug=false").debug());
        assertTrue(options(null, "-version").wantsVersion());
        assertEquals("https://a.example:443", serverOf(options("nossl=false", "-s", "a.example")));
    }
}
