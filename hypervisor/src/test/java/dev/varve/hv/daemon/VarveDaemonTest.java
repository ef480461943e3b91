// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;

final class VarveDaemonTest {
    @TempDir Path home;

    @Test
    void listsARepositoryThatWasCreated() throws IOException {
        try (TestDaemon daemon = new TestDaemon(home, new FakeStorage())) {
            assertEquals("", daemon.xe("sr-list").ok());
            String uuid =
                    daemon.xe(
                                    "sr-create",
                                    "type=fake",
                                    "name-label=one",
                                    "device-config:location=a")
                            .ok();
            assertEquals(uuid, daemon.xe("sr-list", "--minimal").ok());
            assertTrue(daemon.xe("sr-list").ok().contains("name-label ( RW): one"));
        }
    }
}
