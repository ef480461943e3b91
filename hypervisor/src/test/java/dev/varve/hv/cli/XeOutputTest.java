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
import java.util.List;

final class XeOutputTest {
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
                                "name-label=one",
                                "content-type=user",
                                "device-config-location=a")
                        .ok();
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String createVdi(String name, String size) throws IOException {
        return daemon.xe(
                        "vdi-create", "sr-uuid=" + sr, "name-label=" + name, "virtual-size=" + size)
                .ok();
    }

    private void refused(String message, String... words) throws IOException {
        TestDaemon.Result result = daemon.xe(words);
        assertEquals(1, result.code());
        assertEquals("", result.out());
        assertTrue(result.err().startsWith(message), result.err());
    }

    @Test
    void laysOutARecord() throws IOException {
        String host = (String) daemon.record("host", daemon.only("host")).get("name_label");
        assertEquals(
                "uuid ( RO)                : "
                        + sr
                        + "\n          name-label ( RW): one"
                        + "\n    name-description ( RW): "
                        + "\n                host ( RO): "
                        + host
                        + "\n                type ( RO): fake"
                        + "\n        content-type ( RO): user\n\n\n",
                daemon.xe("sr-list").out());
    }

    @Test
    void marksSetsAndMapsAndKeepsTheOrderOfTheClass() throws IOException {
        daemon.xe("sr-param-set", "uuid=" + sr, "other-config:b=2", "other-config-a=1").ok();
        daemon.xe("sr-param-add", "uuid=" + sr, "param-name=tags", "param-key=x").ok();
        daemon.xe("sr-param-add", "uuid=" + sr, "param-name=tags", "param-key=y").ok();
        assertEquals(
                "PBDs (SRO)            : "
                        + daemon.record("PBD", daemon.only("PBD")).get("uuid")
                        + "\n    other-config (MRW): a: 1; b: 2"
                        + "\n       sm-config (MRO): "
                        + "\n            tags (SRW): x; y\n\n\n",
                daemon.xe("sr-list", "params=tags,sm-config,other-config,PBDs").out());
    }

    @Test
    void leavesFieldsAsideThatItDoesNotKnow() throws IOException {
        assertEquals(
                "uuid ( RO)          : " + sr + "\n    name-label ( RW): one\n\n\n",
                daemon.xe("sr-list", "params=local-cache-sr,uuid,name-label").out());
        assertEquals(
                new TestDaemon.Result(0, "", ""), daemon.xe("sr-list", "params=local-cache-sr"));
        assertEquals(
                new TestDaemon.Result(0, "", ""),
                daemon.xe("sr-list", "params=local-cache-sr", "--minimal"));
    }

    @Test
    void takesFlagsInFrontOfTheCommand() throws IOException {
        assertEquals(sr, daemon.xe("--minimal", "sr-list").ok());
        assertTrue(daemon.xe("--minimal").ok().contains("sr-list"));
    }

    @Test
    void showsOperationsAsASet() throws IOException {
        String list = daemon.xe("sr-param-list", "uuid=" + sr).out();
        assertTrue(list.contains(" current-operations (SRO): \n"), list);
    }

    @Test
    void joinsTheFirstFieldsForScripts() throws IOException {
        createVdi("a,b\\c", "1MiB");
        assertEquals("a\\,b\\\\c", daemon.xe("vdi-list", "params=name-label", "--minimal").ok());
        createVdi("second", "4096");
        assertEquals(2, daemon.xe("vdi-list", "--minimal").ok().split(",").length);
        TestDaemon.Result none = daemon.xe("vdi-list", "name-label=none", "--minimal");
        assertEquals(new TestDaemon.Result(0, "", ""), none);
    }

    @Test
    void filtersByFieldsMapsAndSets() throws IOException {
        String vdi = createVdi("one", "1GiB");
        createVdi("two", "512MiB");
        daemon.xe("vdi-param-set", "uuid=" + vdi, "other-config:k=v").ok();
        daemon.xe("vdi-param-add", "uuid=" + vdi, "param-name=tags", "param-key=red").ok();
        for (String filter :
                List.of(
                        "name-label=one",
                        "virtual-size=1073741824",
                        "other-config:k=v",
                        "other-config-k=v",
                        "tags:contains=red")) {
            assertEquals(vdi, daemon.xe("vdi-list", filter, "--minimal").ok(), filter);
        }
        assertEquals(
                vdi, daemon.xe("vdi-list", "sr-uuid=" + sr, "tags:contains=red", "--minimal").ok());
        assertEquals("", daemon.xe("vdi-list", "name-label=ONE", "--minimal").ok());
        assertFalse(daemon.xe("vdi-list", "on-boot=PERSIST", "--minimal").ok().isEmpty());
        refused("Error: Unknown field 'nonsense'", "vdi-list", "nonsense=1");
    }

    @Test
    void readsAndChangesSingleFields() throws IOException {
        String select = "uuid=" + sr;
        daemon.xe("sr-param-set", select, "name-label=new name", "other-config:k=v").ok();
        assertEquals("new name", daemon.xe("sr-param-get", select, "param-name=name-label").ok());
        assertEquals(
                "v",
                daemon.xe("sr-param-get", select, "param-name=other-config", "param-key=k").ok());
        daemon.xe("sr-param-remove", select, "param-name=other-config", "param-key=k").ok();
        refused(
                "Error: Key k not found in map other-config",
                "sr-param-get",
                select,
                "param-name=other-config",
                "param-key=k");
        daemon.xe("sr-param-add", select, "param-name=other-config", "x=y").ok();
        daemon.xe("sr-param-clear", select, "param-name=other-config").ok();
        assertEquals("", daemon.xe("sr-param-get", select, "param-name=other-config").ok());
        refused("Error: Field 'type' is read-only.", "sr-param-set", select, "type=x");
        refused("Error: Unknown field 'typ'", "sr-param-set", select, "typ=x");
        refused(
                "Error: parameter shared must be a boolean",
                "sr-param-set",
                select,
                "name-label=not changed",
                "shared=maybe");
        assertEquals("new name", daemon.xe("sr-param-get", select, "param-name=name-label").ok());
    }

    @Test
    void showsWhatItRefersToByUuidAndName() throws IOException {
        String vdi = createVdi("one", "1TiB");
        String list = daemon.xe("vdi-param-list", "uuid=" + vdi).out();
        assertTrue(list.contains("sr-uuid ( RO): " + sr + "\n"), list);
        assertTrue(list.contains("sr-name-label ( RO): one\n"), list);
        assertTrue(list.contains("parent ( RO): <not in database>\n"), list);
        assertTrue(list.contains("virtual-size ( RO): 1099511627776\n"), list);
        assertTrue(list.contains("type ( RO): user\n"), list);
    }

    @Test
    void takesNamesAndStartsOfUuidsForObjects() throws IOException {
        String vdi = createVdi("disk", "4KiB");
        daemon.xe("sr-scan", "sr=one").ok();
        daemon.xe("vdi-resize", "uuid=" + vdi.substring(0, 8), "disk-size=8KiB").ok();
        assertEquals("8192", daemon.xe("vdi-list", "params=virtual-size", "--minimal").ok());
        refused("Error: there is no sr named two", "sr-scan", "sr=two");
        createVdi("disk", "4KiB");
        refused("Error: 2 objects are named disk", "vdi-destroy", "vdi=disk");
    }

    @Test
    void saysWhatIsWrongWithACommandLine() throws IOException {
        refused("Unknown command: sr-fly\nFor usage run: 'xe help'\n", "sr-fly");
        refused("Required parameter not found: type\n", "sr-create", "name-label=x");
        refused("Unknown parameter: sise\n", "vdi-create", "sise=1");
        refused("Syntax error: word\n", "sr-list", "word");
        refused(
                "Error: parameter virtual-size must be a size",
                "vdi-create",
                "sr-uuid=" + sr,
                "name-label=x",
                "virtual-size=10GB");
        refused("The parameter uuid is given twice\n", "sr-scan", "uuid=1", "uuid=2");
    }

    @Test
    void saysWhichErrorHappenedToWhat() throws IOException {
        assertEquals(
                new TestDaemon.Result(
                        1,
                        "",
                        "The storage repository is still plugged in.\nError code: SR_HAS_PBD\nsr: "
                                + sr
                                + " (one)\n"),
                daemon.xe("sr-forget", "uuid=" + sr));
        refused(
                "the device configuration lacks the key location; give"
                        + " device-config:location=...\nError code: SR_BACKEND_FAILURE_94\n",
                "sr-create",
                "type=fake",
                "name-label=x");
    }

    @Test
    void helps() throws IOException {
        String all = daemon.xe("help", "--all", "--minimal").ok();
        assertTrue(all.contains(",sr-create,"), all);
        assertTrue(all.contains(",vdi-param-set,"), all);
        assertFalse(all.contains("varve-"), all);
        assertFalse(daemon.xe("help").ok().contains("vdi-param-set"));
        assertEquals(
                "command name            : vdi-create\n"
                        + "        reqd params     : sr-uuid, name-label, virtual-size\n"
                        + "        optional params : name-description, sm-config:, other-config:,"
                        + " sharable, read-only, tags:, type\n"
                        + "        description     : Makes a disk that reads as zero; prints its"
                        + " UUID.",
                daemon.xe("help", "vdi-create").ok());
        refused("Unknown command: nothing", "help", "nothing");
        String common = daemon.xe("help").ok();
        assertTrue(
                common.lines().anyMatch(line -> line.matches(" +sr-create +Makes a storage .*")),
                common);
        assertEquals("uuid,disk-size,online", daemon.xe("help", "vdi-resize", "--minimal").ok());
        String set = daemon.xe("help", "sr-param-set").ok();
        assertTrue(set.contains("\n          name-label ( RW)"), set);
        assertTrue(set.contains("\n          other-config (MRW)      additional"), set);
        assertFalse(set.contains("tags"), set);
        assertFalse(set.contains("physical-size"), set);
        String list = daemon.xe("help", "sr-list").ok();
        assertTrue(list.contains("given as FIELD=VALUE"), list);
        assertTrue(list.contains("physical-size ( RO)"), list);
        String clear = daemon.xe("help", "sr-param-clear").ok();
        assertTrue(clear.contains("for param-name=FIELD:"), clear);
    }

    @Test
    void attachesForTheLauncherAndGivesTheSameAddressAgain() throws IOException {
        String vdi = createVdi("disk", "4KiB");
        String uri = daemon.xe("varve-attach", "uuid=" + vdi).ok();
        assertTrue(uri.startsWith("nbd+unix:///" + vdi), uri);
        assertEquals(uri, daemon.xe("varve-attach", "uuid=" + vdi).ok());
        refused("The disk is attached", "varve-attach", "uuid=" + vdi, "read-only=true");
        String status = daemon.xe("varve-status").ok();
        assertTrue(status.contains("lanes 1, backend memory\n"), status);
        assertTrue(status.contains("sr " + sr + " (one) type fake: attached, "), status);
        assertTrue(status.endsWith("RW " + uri + " reads=1 writes=2"), status);
        daemon.xe("varve-detach", "uuid=" + vdi).ok();
        refused("The disk is not attached.", "varve-detach", "uuid=" + vdi);
        assertEquals("", daemon.xe("vbd-list").ok());
    }

    @Test
    void walksThroughTheRemovalOfARepository() throws IOException {
        String pbd = daemon.xe("pbd-list", "sr-uuid=" + sr, "params=uuid", "--minimal").ok();
        daemon.xe("pbd-unplug", "uuid=" + pbd).ok();
        daemon.xe("pbd-destroy", "uuid=" + pbd).ok();
        daemon.xe("sr-forget", "uuid=" + sr).ok();
        assertEquals("", daemon.xe("sr-list").ok());
    }

    @Test
    void setsTheDefaultRepositoryOfThePool() throws IOException {
        String pool = daemon.xe("pool-list", "--minimal").ok();
        daemon.xe("pool-param-set", "uuid=" + pool, "default-SR=" + sr).ok();
        assertTrue(daemon.xe("pool-list").ok().endsWith("default-SR ( RW): " + sr));
        assertEquals(1, daemon.xe("host-list", "--minimal").ok().split(",").length);
        refused("Required parameter not found: uuid", "task-cancel");
    }
}
