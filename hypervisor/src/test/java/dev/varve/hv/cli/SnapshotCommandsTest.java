// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.vdi.disk.VdiState;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;

/** What the commands about snapshots, clones and copies print, and how layers are drawn. */
final class SnapshotCommandsTest {
    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();
    private TestDaemon daemon;
    private String sr;
    private String vdi;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, storage);
        sr = createSr("a");
        vdi = createVdi("web1", "10GiB");
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String createSr(String location) throws IOException {
        return daemon.xe(
                        "sr-create",
                        "type=fake",
                        "name-label=" + location,
                        "device-config:location=" + location)
                .ok();
    }

    private String createVdi(String name, String size) throws IOException {
        return daemon.xe(
                        "vdi-create", "sr-uuid=" + sr, "name-label=" + name, "virtual-size=" + size)
                .ok();
    }

    private String snapshot(String uuid) throws IOException {
        return daemon.xe("vdi-snapshot", "uuid=" + uuid).ok();
    }

    private String field(String uuid, String name) throws IOException {
        return daemon.xe("vdi-param-get", "uuid=" + uuid, "param-name=" + name).ok();
    }

    private void refused(String message, String... words) throws IOException {
        TestDaemon.Result result = daemon.xe(words);
        assertEquals(1, result.code());
        assertEquals("", result.out());
        assertTrue(result.err().startsWith(message), result.err());
    }

    @Test
    void printsTheUuidOfASnapshotAndShowsItsFields() throws IOException {
        storage.medium("a").snapshotMillis = 1_795_537_363_000L;
        String snapshot =
                daemon.xe(
                                "vdi-snapshot",
                                "uuid=" + vdi,
                                "new-name-label=before",
                                "new-name-description=the update",
                                "driver-params:a=b")
                        .ok();
        String base = field(vdi, "parent");
        assertEquals(
                "name-label ( RW)          : before"
                        + "\n    name-description ( RW): the update"
                        + "\n       is-a-snapshot ( RO): true"
                        + "\n         snapshot-of ( RO): "
                        + vdi
                        + "\n           snapshots ( RO): "
                        + "\n       snapshot-time ( RO): 20261124T16:22:43Z"
                        + "\n             managed ( RO): true"
                        + "\n              parent ( RO): "
                        + base
                        + "\n           sm-config (MRO): vdi_type: vhd; vhd-parent: "
                        + base,
                daemon.xe(
                                "vdi-list",
                                "uuid=" + snapshot,
                                "params=name-label,name-description,is-a-snapshot,snapshot-of,"
                                        + "snapshots,snapshot-time,managed,parent,sm-config")
                        .ok()
                        .replace("(SRO)", "( RO)"));
        assertEquals(snapshot, field(vdi, "snapshots"));
        assertEquals("false", field(vdi, "is-a-snapshot"));
        assertEquals("19700101T00:00:00Z", field(vdi, "snapshot-time"));
        assertEquals("<not in database>", field(vdi, "snapshot-of"));
        assertEquals("web1", field(vdi, "name-label"));
        assertEquals("false", field(base, "managed"));
    }

    /** As ever, the list has all nodes; the inner ones are told by their name. */
    @Test
    void listsInnerNodesAndSnapshotsWithTheDisks() throws IOException {
        String snapshot = snapshot(vdi);
        String base = field(vdi, "parent");
        List<String> listed =
                List.of(daemon.xe("vdi-list", "sr-uuid=" + sr, "--minimal").ok().split(",", -1));
        assertEquals(
                List.of(vdi, snapshot, base).stream().sorted().toList(),
                listed.stream().sorted().toList());
        assertEquals(base, daemon.xe("vdi-list", "name-label=base copy", "--minimal").ok());
        assertEquals(snapshot, daemon.xe("vdi-list", "snapshot-of=" + vdi, "--minimal").ok());
    }

    @Test
    void takesSnapshotsOfSeveralDisksAtOnce() throws IOException {
        String other = createVdi("web2", "1GiB");
        String several = "uuid=" + other + "," + vdi.substring(0, 18);
        String[] lines =
                daemon.xe("vdi-snapshot", several, "new-name-label=both").ok().split("\n", -1);
        assertEquals(2, lines.length);
        assertEquals(other, field(lines[0], "snapshot-of"));
        assertEquals(vdi, field(lines[1], "snapshot-of"));
        assertEquals("both", field(lines[1], "name-label"));
        assertEquals(2, daemon.xe("vdi-snapshot", several, "--minimal").ok().split(",").length);
        refused(
                "There is no object of this UUID.",
                "vdi-snapshot",
                "uuid=" + vdi + ",11111111-1111-1111-1111-111111111111");
        assertEquals(4, snapshots());
    }

    private int snapshots() throws IOException {
        return daemon.xe("snapshot-disk-list", "--minimal").ok().split(",").length;
    }

    @Test
    void clonesADiskUnderANewName() throws IOException {
        String clone =
                daemon.xe(
                                "vdi-clone",
                                "vdi=web1",
                                "new-name-label=web2",
                                "new-name-description=d",
                                "driver-params:a=b")
                        .ok();
        assertEquals("web2", field(clone, "name-label"));
        assertEquals("d", field(clone, "name-description"));
        assertEquals("false", field(clone, "is-a-snapshot"));
        String same = daemon.xe("vdi-clone", "uuid=" + vdi).ok();
        assertEquals("web1", field(same, "name-label"));
    }

    @Test
    void copiesADiskToItsOwnRepositoryUnlessAnotherIsNamed() throws IOException {
        String near = daemon.xe("vdi-copy", "vdi=web1").ok();
        assertEquals(sr, field(near, "sr-uuid"));
        String elsewhere = createSr("b");
        String far = daemon.xe("vdi-copy", "uuid=" + vdi, "sr=b").ok();
        assertEquals(elsewhere, field(far, "sr-uuid"));
        refused(
                "The value is known, but not supported here.",
                "vdi-copy",
                "uuid=" + vdi,
                "base-vdi-uuid=" + near);
        refused(
                "The value is known, but not supported here.",
                "vdi-copy",
                "uuid=" + vdi,
                "into-vdi-uuid=" + near);
        daemon.xe("varve-attach", "uuid=" + vdi).ok();
        refused("The disk is attached", "vdi-copy", "uuid=" + vdi);
    }

    @Test
    void revertsTheDiskThatASnapshotIsOf() throws IOException {
        String snapshot = snapshot(vdi);
        for (String[] words :
                List.of(
                        new String[] {"vdi-revert", "uuid=" + vdi, "snapshot-uuid=" + snapshot},
                        new String[] {"vdi-revert", "snapshot-uuid=" + snapshot.substring(0, 18)},
                        new String[] {"snapshot-revert", "snapshot-uuid=" + snapshot},
                        new String[] {"snapshot-revert", "uuid=" + snapshot},
                        new String[] {"snapshot-revert", "snapshot=web1"})) {
            daemon.xe("vdi-resize", "uuid=" + vdi, "disk-size=20GiB").ok();
            assertEquals("", daemon.xe(words).ok());
            assertEquals("10737418240", field(vdi, "virtual-size"));
        }
        String other = createVdi("web2", "1GiB");
        refused(
                "The operation is not allowed in the present state.\n"
                        + "Error code: OPERATION_NOT_ALLOWED\nreason: "
                        + snapshot
                        + " is not a snapshot of "
                        + other,
                "vdi-revert",
                "uuid=" + other,
                "snapshot-uuid=" + snapshot);
        refused("Required parameter not found: snapshot-uuid", "vdi-revert", "uuid=" + vdi);
        refused("Required parameter not found: uuid", "snapshot-revert");
        daemon.xe("varve-attach", "uuid=" + vdi).ok();
        refused("The disk is attached", "snapshot-revert", "uuid=" + snapshot);
        daemon.xe("varve-detach", "uuid=" + vdi).ok();
        daemon.xe("vdi-destroy", "uuid=" + vdi).ok();
        refused(
                "Error: the disk that snapshot " + snapshot + " was taken of is not there any more",
                "snapshot-revert",
                "uuid=" + snapshot);
    }

    @Test
    void makesDisksOfSnapshots() throws IOException {
        String snapshot = snapshot(vdi);
        String clone = daemon.xe("snapshot-clone", "uuid=" + snapshot, "new-name-label=clone").ok();
        assertEquals("clone", field(clone, "name-label"));
        assertEquals("false", field(clone, "is-a-snapshot"));
        String elsewhere = createSr("b");
        String copy =
                daemon.xe(
                                "snapshot-copy",
                                "snapshot-uuid=" + snapshot,
                                "new-name-label=copy",
                                "new-name-description=d",
                                "sr-uuid=" + elsewhere)
                        .ok();
        assertEquals("copy", field(copy, "name-label"));
        assertEquals("d", field(copy, "name-description"));
        assertEquals(elsewhere, field(copy, "sr-uuid"));
        for (String command : List.of("snapshot-clone", "snapshot-copy")) {
            refused("Required parameter not found: new-name-label", command, "uuid=" + snapshot);
        }
        daemon.xe("snapshot-destroy", "snapshot-uuid=" + snapshot).ok();
        refused("There is no object of this UUID.", "snapshot-destroy", "uuid=" + snapshot);
    }

    @Test
    void takesSnapshotsOnlyWhereSnapshotsBelong() throws IOException {
        String wrong = "Error: disk " + vdi + " (web1) is not a snapshot";
        refused(wrong, "snapshot-destroy", "uuid=" + vdi);
        refused(wrong, "snapshot-revert", "snapshot-uuid=" + vdi);
        refused(wrong, "snapshot-clone", "uuid=" + vdi, "new-name-label=x");
        refused(wrong, "snapshot-copy", "uuid=" + vdi, "new-name-label=x");
        refused(wrong, "snapshot-disk-list", "uuid=" + vdi);
        refused(wrong, "vdi-revert", "uuid=" + vdi, "snapshot-uuid=" + vdi);
        refused("Error: there is no vdi named web1", "snapshot-destroy", "snapshot=web1");
        assertEquals("10737418240", field(vdi, "virtual-size"));
    }

    @Test
    void listsTheSnapshotsOfDisks() throws IOException {
        assertEquals("", daemon.xe("snapshot-disk-list").ok());
        String snapshot = snapshot(vdi);
        assertEquals(
                "uuid ( RO)                : "
                        + snapshot
                        + "\n          name-label ( RW): web1"
                        + "\n    name-description ( RW): "
                        + "\n         snapshot-of ( RO): "
                        + vdi
                        + "\n       snapshot-time ( RO): 20270115T08:00:00Z"
                        + "\n             sr-uuid ( RO): "
                        + sr
                        + "\n        virtual-size ( RO): 10737418240\n\n\n",
                daemon.xe("snapshot-disk-list").out());
        String second = snapshot(vdi);
        assertEquals(2, snapshots());
        for (String param : List.of("uuid=", "snapshot-uuid=")) {
            assertEquals(second, daemon.xe("snapshot-disk-list", param + second, "--minimal").ok());
        }
        assertEquals(
                "web1",
                daemon.xe("snapshot-disk-list", "uuid=" + second, "params=name-label", "--minimal")
                        .ok());
    }

    @Test
    void saysThatRawDisksHaveNoSnapshots() throws IOException {
        String raw =
                daemon.xe(
                                "vdi-create",
                                "sr-uuid=" + sr,
                                "name-label=raw",
                                "virtual-size=1MiB",
                                "sm-config:type=raw")
                        .ok();
        refused(
                "raw disks have no snapshots\nError code: SR_BACKEND_FAILURE_38",
                "vdi-snapshot",
                "uuid=" + raw);
    }

    @Test
    void drawsTheLayersOfARepository() throws IOException {
        storage.medium("a").snapshotMillis = 1_795_537_363_000L;
        String first = snapshot(vdi);
        storage.medium("a").snapshotMillis = 1_795_537_423_000L;
        String second = snapshot(vdi);
        String inner = field(vdi, "parent");
        String base = field(inner, "parent");
        String alone = createVdi("Größe", "512MiB");
        daemon.call("VDI.set_name_label", daemon.ref("VDI", alone), "Größe\n2");
        daemon.xe("vdi-resize", "uuid=" + vdi, "disk-size=20GiB").ok();
        daemon.xe("varve-attach", "uuid=" + vdi).ok();
        daemon.xe("varve-attach", "uuid=" + first, "read-only=true").ok();
        String takes = ", takes 4.0 KiB";
        List<String> expected =
                List.of(
                        "sr " + sr + " (a)",
                        "Größe 2                                     "
                                + alone
                                + "  512.0 MiB"
                                + takes,
                        "base copy                                   "
                                + base
                                + "   10.0 GiB"
                                + takes,
                        "├── web1  snapshot of 2026-11-24 16:22      "
                                + first
                                + "   10.0 GiB"
                                + takes
                                + "  (attached read-only)",
                        "└── base copy                               "
                                + inner
                                + "   10.0 GiB"
                                + takes,
                        "    ├── web1                                "
                                + vdi
                                + "   20.0 GiB"
                                + takes
                                + "  (attached)",
                        "    └── web1  snapshot of 2026-11-24 16:23  "
                                + second
                                + "   10.0 GiB"
                                + takes);
        assertEquals(expected, daemon.xe("varve-tree", "uuid=" + sr).ok().lines().toList());
    }

    @Test
    void drawsAllRepositoriesOrTheTreeOfOneDisk() throws IOException {
        String other = createVdi("other", "1MiB");
        snapshot(vdi);
        String elsewhere = createSr("b");
        String all = daemon.xe("varve-tree").ok();
        assertTrue(all.contains("sr " + elsewhere + " (b)\nno disks"), all);
        assertTrue(all.contains(other), all);
        String one = daemon.xe("varve-tree", "uuid=" + vdi.substring(0, 18)).ok();
        assertEquals(3, one.split("\n").length);
        assertTrue(one.startsWith("base copy "), one);
        refused("There is no object of this UUID.", "varve-tree", "uuid=1");
    }

    @Test
    void drawsWhatCannotBeUsedOrIsGone() throws IOException {
        UUID bad = storage.plant("a", new VdiState.Quarantined("the footer is gone"));
        daemon.xe("varve-attach", "uuid=" + vdi).ok();
        daemon.xe("varve-detach", "uuid=" + vdi).ok();
        storage.medium("a").disks.remove(UUID.fromString(vdi));
        String vm = daemon.xe("vm-list", "--minimal").ok();
        String kept = createVdi("kept", "1MiB");
        daemon.xe("vbd-create", "vm-uuid=" + vm, "vdi-uuid=" + kept, "device=autodetect").ok();
        storage.medium("a").disks.remove(UUID.fromString(kept));
        daemon.xe("sr-scan", "uuid=" + sr).ok();
        String drawing = daemon.xe("varve-tree").ok();
        assertTrue(drawing.contains(bad.toString()), drawing);
        assertTrue(drawing.contains("(cannot be used: the footer is gone)"), drawing);
        assertTrue(drawing.endsWith("(missing)") || drawing.contains("(missing)\n"), drawing);
    }
}
