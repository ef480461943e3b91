// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.filter.RoomWatch;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;

final class SettingsTest {
    @TempDir Path home;

    @Test
    void hasDefaults() throws IOException {
        Settings root = Settings.read(home, true);
        assertEquals(443, root.apiHttps().orElseThrow().getPort());
        assertTrue(root.apiHttps().orElseThrow().getAddress().isAnyLocalAddress());
        assertTrue(root.apiHttp().orElseThrow().getAddress().isLoopbackAddress());
        assertEquals(10809, root.nbdTls().orElseThrow().getPort());
        assertEquals(Optional.empty(), root.nbdTcp());
        assertEquals(RoomWatch.WhenFull.WAIT, root.whenFull());
        assertEquals(Optional.empty(), root.pool());
        assertEquals(8443, Settings.read(home, false).apiHttps().orElseThrow().getPort());
    }

    @Test
    void readsWhatIsGiven() throws IOException {
        Files.writeString(
                home.resolve(Settings.FILE),
                """
                # a comment
                api.https = [::1]:99
                api.http=off
                nbd.tcp=127.0.0.1:5
                storage.when-full=fail
                pool.uuid= 5F3C4A5E-0000-4000-8000-0123456789ab
                """);
        Settings settings = Settings.read(home, true);
        assertEquals(99, settings.apiHttps().orElseThrow().getPort());
        assertTrue(settings.apiHttps().orElseThrow().getAddress().isLoopbackAddress());
        assertEquals(Optional.empty(), settings.apiHttp());
        assertEquals(RoomWatch.WhenFull.FAIL, settings.whenFull());
        assertEquals(5, settings.nbdTcp().orElseThrow().getPort());
        assertEquals(
                Optional.of(UUID.fromString("5f3c4a5e-0000-4000-8000-0123456789ab")),
                settings.pool());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "api.https=443",
                "api.https=*",
                "api.https=:1",
                "api.https=*:65536",
                "api.https=*:-1",
                "api.https=*:x",
                "api.https=",
                "api.htps=*:1",
                "api.http=\\u00zz",
                "storage.when-full=perhaps",
                "pool.uuid=1-1-1-1-1"
            })
    void saysWhatIsWrongAndWhere(String line) throws IOException {
        Files.writeString(home.resolve(Settings.FILE), line + "\n");
        IOException refused = assertThrows(IOException.class, () -> Settings.read(home, true));
        assertTrue(refused.getMessage().contains(Settings.FILE), refused.getMessage());
    }
}
