// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** How an unfinished command line goes on, as the shell asks for it. */
final class CliCompletionTest {
    @TempDir Path home;
    private TestDaemon daemon;
    private String sr;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, new FakeStorage());
        sr =
                daemon.xe(
                                "sr-create",
                                "type=fake",
                                "name-label=the one",
                                "device-config:location=a")
                        .ok();
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String createVdi(String name) throws IOException {
        return daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=" + name, "virtual-size=1MiB")
                .ok();
    }

    /** The words that fit the last one, with their meanings after a tab. */
    private List<String> ways(String... words) throws IOException {
        List<String> before = new ArrayList<>(Arrays.asList(words));
        String current = before.removeLast();
        String out =
                daemon.xe(
                                "varve-complete",
                                "line=" + String.join("\u001f", before),
                                "current=" + current)
                        .out();
        return out.lines().toList();
    }

    /** The words alone. */
    private List<String> words(String... words) throws IOException {
        return ways(words).stream().map(way -> way.substring(0, way.indexOf('\t'))).toList();
    }

    @Test
    void namesCommandsWithWhatTheyDo() throws IOException {
        assertEquals(
                List.of(
                        "vdi-clone\tMakes a disk that shares what another one holds; prints its"
                                + " UUID."),
                ways("vdi-clo"));
        assertTrue(words("").contains("sr-param-set"));
        assertFalse(words("").contains("varve-complete"));
        assertEquals(List.of("vdi-resize"), words("help", "vdi-resi"));
        assertEquals(List.of("--minimal", "--multiple"), words("vdi-list", "--m"));
        assertEquals(List.of(), words("no-such-command", ""));
    }

    @Test
    void namesParametersThatAreNotThereYetWithTheRequiredOnesFirst() throws IOException {
        assertEquals(List.of("uuid=", "disk-size=", "online="), words("--force", "vdi-resize", ""));
        assertEquals(List.of("disk-size=", "online="), words("vdi-resize", "uuid=1", ""));
        assertEquals(List.of("device-config:"), words("sr-create", "dev"));
        assertEquals(List.of("disk-size=", "online="), words("vdi-resize", "vdi=one", ""));
        assertEquals("uuid=\trequired", ways("vdi-resize", "u").getFirst());
        assertEquals(List.of("sr-uuid=", "sr-name-label="), words("vdi-list", "sr-"));
        assertEquals(List.of("other-config:"), words("sr-param-set", "uuid=1", "oth"));
        assertEquals(List.of(), words("sr-param-set", "uuid=1", "PBD"));
    }

    @Test
    void namesObjectsByUuidAndByName() throws IOException {
        String one = createVdi("one");
        assertEquals(
                List.of("uuid=" + one + "\tone"), ways("vdi-destroy", "uuid=" + one.charAt(0)));
        assertEquals(List.of("sr-uuid=" + sr + "\tthe one"), ways("vdi-create", "sr-uuid="));
        assertEquals(List.of("into-vdi-uuid=" + one), words("vdi-copy", "into-vdi-uuid="));
        assertEquals(List.of("sr=the one\t" + sr), ways("sr-scan", "sr=the"));
        assertEquals(List.of("sr-uuid=" + sr), words("pbd-list", "sr-uuid="));
        String pbd = ways("pbd-unplug", "uuid=").getFirst();
        assertTrue(pbd.endsWith(", the one"), pbd);
        String snapshot = daemon.xe("vdi-snapshot", "uuid=" + one).ok();
        assertEquals(List.of("snapshot-uuid=" + snapshot), words("vdi-revert", "snapshot-uuid="));
        assertEquals(List.of("uuid=" + snapshot), words("snapshot-destroy", "uuid="));
    }

    @Test
    void namesFieldsAndTheirValues() throws IOException {
        String one = createVdi("one");
        assertEquals(
                List.of("params=uuid", "params=userdevice"),
                words("vbd-list", "params=u").subList(0, 2));
        assertEquals(
                List.of("params=uuid,name-label", "params=uuid,name-description"),
                words("sr-list", "params=uuid,name-"));
        assertEquals("params=all", words("sr-list", "params=").getFirst());
        assertEquals(List.of("on-boot=persist", "on-boot=reset"), words("vdi-list", "on-boot="));
        assertEquals(List.of("shared=true", "shared=false"), words("sr-create", "shared="));
        assertEquals(List.of("mode=RW", "mode=RO"), words("vbd-create", "mode="));
        assertEquals(List.of("type=fake"), words("sr-create", "type="));
        assertEquals(List.of("name-label=one"), words("vdi-list", "name-label="));
        assertEquals(List.of(), words("vdi-create", "name-label="));
        assertEquals(
                List.of("param-name=other-config", "param-name=tags"),
                words("sr-param-add", "param-name="));
        daemon.xe("vdi-param-set", "uuid=" + one, "other-config:k=v").ok();
        assertEquals(
                List.of("param-key=k\tv"),
                ways("vdi-param-get", "uuid=" + one, "param-name=other-config", "param-key="));
        assertEquals(
                List.of(CliCompletion.FILES), words("sr-create", "device-config:location=/tm"));
    }

    @Test
    void servesTheLauncher() throws IOException {
        String one = createVdi("one");
        String two = createVdi("two");
        assertEquals(2, words("varve-attach", "uuid=").size());
        assertEquals(List.of(), words("varve-detach", "uuid="));
        daemon.xe("varve-attach", "uuid=" + two).ok();
        assertEquals(List.of("uuid=" + two + "\ttwo"), ways("varve-detach", "uuid="));
        assertTrue(words("varve-tree", "uuid=").containsAll(List.of("uuid=" + sr, "uuid=" + one)));
    }

    @Test
    void leavesNamesAsideThatCannotBeTyped() throws IOException {
        daemon.call("SR.set_name_label", daemon.ref("SR", sr), "two\tlines\nhere");
        assertEquals(List.of(), words("sr-scan", "sr="));
        assertEquals(List.of("uuid=" + sr + "\ttwo lines here"), ways("sr-scan", "uuid="));
    }
}
