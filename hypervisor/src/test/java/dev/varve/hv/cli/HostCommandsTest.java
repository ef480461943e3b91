// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

final class HostCommandsTest {
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

    private CompletableFuture<TestDaemon.Result> later(String... words) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return daemon.xe(words);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                },
                work -> Threads.virtual("xe", work).start());
    }

    @Test
    void keepsSecrets() throws IOException {
        String uuid = daemon.xe("secret-create", "value=s3cret", "other-config:for=chap").ok();
        assertEquals(
                "s3cret", daemon.xe("secret-param-get", "uuid=" + uuid, "param-name=value").ok());
        assertEquals(uuid, daemon.xe("secret-list", "other-config:for=chap", "--minimal").ok());
        daemon.xe("secret-param-set", "uuid=" + uuid, "value=other").ok();
        daemon.xe("secret-destroy", "uuid=" + uuid).ok();
        assertEquals("", daemon.xe("secret-list").ok());
    }

    @Test
    void listsDrivers() throws IOException {
        assertEquals("fake", daemon.xe("sm-list", "params=type", "--minimal").ok());
    }

    @Test
    void waitsForAnObject() throws Exception {
        var there = later("event-wait", "class=secret", "other-config:is=there");
        String uuid = daemon.xe("secret-create", "value=a").ok();
        daemon.xe("secret-param-set", "uuid=" + uuid, "other-config:is=there").ok();
        assertEquals("", there.get(30, TimeUnit.SECONDS).ok());
        var changed = later("event-wait", "class=secret", "uuid=" + uuid, "value=/=a");
        daemon.xe("secret-param-set", "uuid=" + uuid, "value=b").ok();
        assertEquals("", changed.get(30, TimeUnit.SECONDS).ok());
        TestDaemon.Result wrong = daemon.xe("event-wait", "class=secret", "colour=red");
        assertEquals(1, wrong.code());
        assertTrue(wrong.err().contains("Unknown field 'colour'"), wrong.err());
        assertTrue(
                daemon.xe("event-wait", "class=ghost").err().contains("there is no class ghost"));
    }

    @Test
    void printsTheCertificateOfTheHost() throws IOException {
        String pem = daemon.xe("host-get-server-certificate").ok();
        assertTrue(pem.startsWith("-----BEGIN CERTIFICATE-----\n"), pem);
    }

    @Test
    void setsThePasswordOnlyWhenItIsGoodEnough() throws IOException {
        TestDaemon.Result refused = daemon.xe("user-password-change", "new=short");
        assertEquals(1, refused.code());
        assertTrue(refused.err().contains("8 to 1024 characters"), refused.err());
    }
}
