// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.nbd.Tool;
import dev.varve.hv.testing.TestDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a backup tool does, with the commands that it uses: what the daemon tells as changed is
 * compared with what differs between the exports.
 */
@Tag("real")
final class ChangedBlocksTest {
    private static final int BLOCK = 64 << 10;
    private static final long SIZE = 16 << 20;

    @TempDir Path home;
    private TestDaemon daemon;
    private String disk;

    @BeforeEach
    void start() throws IOException {
        Tool.require("qemu-io", "qemu-img", "nbdinfo", "nbdcopy");
        daemon = TestDaemon.real(home);
        Path directory = Files.createDirectory(home.resolve("disks"));
        String sr =
                xe(
                        "sr-create",
                        "type=file",
                        "name-label=sr",
                        "device-config:location=" + directory);
        disk = xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=" + SIZE);
    }

    @AfterEach
    void stop() {
        if (daemon != null) {
            daemon.close();
        }
    }

    private String xe(String... words) throws IOException {
        return daemon.xe(words).ok();
    }

    /** Gives a disk to the host itself; the connection. */
    private String attach(String vdi, String mode) throws IOException {
        String vm = xe("vm-list", "is-control-domain=true", "--minimal");
        String vbd =
                xe(
                        "vbd-create",
                        "vm-uuid=" + vm,
                        "vdi-uuid=" + vdi,
                        "device=autodetect",
                        "mode=" + mode);
        xe("vbd-plug", "uuid=" + vbd);
        return vbd;
    }

    private void detach(String vbd) throws IOException {
        xe("vbd-unplug", "uuid=" + vbd);
        xe("vbd-destroy", "uuid=" + vbd);
    }

    private String uri(String vdi) {
        return "nbd+unix:///" + vdi + "?socket=" + home.resolve("run").resolve("nbd.sock");
    }

    private void write(String... commands) throws IOException, InterruptedException {
        String[] all = new String[4 + 2 * commands.length];
        all[0] = "qemu-io";
        all[1] = "-f";
        all[2] = "raw";
        all[3] = uri(disk);
        for (int i = 0; i < commands.length; i++) {
            all[4 + 2 * i] = "-c";
            all[5 + 2 * i] = commands[i];
        }
        Tool.run(all);
    }

    private byte[] content(String vdi) throws IOException, InterruptedException {
        Path file = home.resolve("content");
        Files.deleteIfExists(file);
        Tool.run("nbdcopy", uri(vdi), file.toString());
        return Files.readAllBytes(file);
    }

    private byte[] contentOf(String snapshot) throws IOException, InterruptedException {
        String vbd = attach(snapshot, "RO");
        byte[] content = content(snapshot);
        detach(vbd);
        return content;
    }

    private static Set<Integer> differing(byte[] earlier, byte[] later) {
        Set<Integer> blocks = new TreeSet<>();
        for (int at = 0; at < later.length; at += BLOCK) {
            if (at >= earlier.length
                    || !Arrays.equals(earlier, at, at + BLOCK, later, at, at + BLOCK)) {
                blocks.add(at / BLOCK);
            }
        }
        return blocks;
    }

    private Set<Integer> told(String from, String to) throws IOException {
        byte[] bitmap =
                Base64.getDecoder()
                        .decode(
                                xe(
                                        "vdi-list-changed-blocks",
                                        "vdi-from-uuid=" + from,
                                        "vdi-to-uuid=" + to));
        Set<Integer> blocks = new TreeSet<>();
        for (int i = 0; i < 8 * bitmap.length; i++) {
            if ((bitmap[i / 8] & 0x80 >> i % 8) != 0) {
                blocks.add(i);
            }
        }
        return blocks;
    }

    private String param(String vdi, String name) throws IOException {
        return xe("vdi-param-get", "uuid=" + vdi, "param-name=" + name);
    }

    /** The dirty parts of what {@code nbdinfo --map} prints: offset, length, state, meaning. */
    private Set<Integer> dirty(String vdi, String context)
            throws IOException, InterruptedException {
        String map = Tool.run("nbdinfo", "--map=" + context, uri(vdi));
        Set<Integer> blocks = new TreeSet<>();
        Matcher line = Pattern.compile("(?m)^\\s*(\\d+)\\s+(\\d+)\\s+1\\b").matcher(map);
        while (line.find()) {
            int first = (int) (Long.parseLong(line.group(1)) / BLOCK);
            int count = (int) (Long.parseLong(line.group(2)) / BLOCK);
            for (int i = 0; i < count; i++) {
                blocks.add(first + i);
            }
        }
        return blocks;
    }

    @Test
    void aBackupReadsOnlyWhatChanged() throws Exception {
        String vbd = attach(disk, "RW");
        write("write -P 1 0 4M");
        assertEquals("false", param(disk, "cbt-enabled"));
        xe("vdi-enable-cbt", "uuid=" + disk);
        assertEquals("true", param(disk, "cbt-enabled"));
        String first = xe("vdi-snapshot", "uuid=" + disk);
        write("write -P 2 1M 4k", "write -P 3 8M 100k", "write -z 2M 64k", "discard 3M 128k");
        String second = xe("vdi-snapshot", "uuid=" + disk);
        write("write -P 4 0 512", "write -P 5 15M 1M", "flush");

        byte[] one = contentOf(first);
        byte[] two = contentOf(second);
        byte[] now = content(disk);
        assertTold(one, two, first, second);
        assertTold(two, now, second, disk);
        assertTold(one, now, first, disk);
        Set<Integer> since = told(first, disk);
        assertEquals(since, dirty(disk, "qemu:dirty-bitmap:" + first));
        assertEquals(told(second, disk), dirty(disk, "varve:changed-since:" + second));

        assertNotEquals(0, daemon.xe("vdi-data-destroy", "uuid=" + disk).code());
        xe("vdi-data-destroy", "uuid=" + first);
        assertEquals("cbt_metadata", param(first, "type"));
        assertEquals("true", param(first, "managed"));
        assertEquals(disk, param(first, "snapshot-of"));
        assertTold(one, two, first, second);
        assertRefused("VDI_INCOMPATIBLE_TYPE", "vdi-clone", "uuid=" + first);
        xe("vdi-resize", "uuid=" + disk, "disk-size=" + 2 * SIZE, "online=true");
        detach(vbd);
        assertEquals(since.size() + (int) (SIZE / BLOCK), told(first, disk).size());

        restart();
        assertEquals("cbt_metadata", param(first, "type"));
        assertEquals("true", param(disk, "cbt-enabled"));
        assertTold(one, two, first, second);
        xe("vdi-destroy", "uuid=" + second);
        assertTrue(told(first, disk).containsAll(since));
        xe("vdi-destroy", "uuid=" + first);
        xe("vdi-disable-cbt", "uuid=" + disk);
        assertEquals("false", param(disk, "cbt-enabled"));
        xe("vdi-destroy", "uuid=" + disk);
        try (var left = Files.list(home.resolve("disks"))) {
            assertEquals(
                    List.of(".varve"), left.map(file -> file.getFileName().toString()).toList());
        }
    }

    /** What a discard leaves as it was is told, too. */
    private void assertTold(byte[] earlier, byte[] later, String from, String to)
            throws IOException {
        Set<Integer> differing = differing(earlier, later);
        Set<Integer> told = told(from, to);
        assertTrue(told.containsAll(differing), told + " " + differing);
        assertTrue(told.size() <= differing.size() + 2, told + " " + differing);
    }

    private void assertRefused(String error, String... words) throws IOException {
        TestDaemon.Result result = daemon.xe(words);
        assertNotEquals(0, result.code());
        assertTrue(result.err().contains(error), result.err());
    }

    private void restart() throws IOException {
        daemon.close();
        daemon = TestDaemon.real(home);
    }

    @Test
    void refusesWhatCannotBeCompared() throws Exception {
        String first = xe("vdi-snapshot", "uuid=" + disk);
        assertRefused(
                "VDI_NO_CBT_METADATA",
                "vdi-list-changed-blocks",
                "vdi-from-uuid=" + first,
                "vdi-to-uuid=" + disk);
        assertRefused("VDI is a snapshot", "vdi-enable-cbt", "uuid=" + first);
        assertRefused("VDI_NO_CBT_METADATA", "vdi-data-destroy", "uuid=" + first);
        xe("vdi-enable-cbt", "uuid=" + disk);
        String second = xe("vdi-snapshot", "uuid=" + disk);
        String third = xe("vdi-snapshot", "uuid=" + disk);
        xe("vdi-revert", "snapshot-uuid=" + second, "uuid=" + disk);
        assertEquals(Set.of(), told(second, disk));
        assertRefused(
                "SR_BACKEND_FAILURE_460",
                "vdi-list-changed-blocks",
                "vdi-from-uuid=" + third,
                "vdi-to-uuid=" + disk);
        String vbd = attach(disk, "RW");
        write("write -P 1 1M 64k");
        String listed = Tool.run("nbdinfo", "--list", uri(disk));
        assertTrue(listed.contains("qemu:dirty-bitmap:" + second), listed);
        assertTrue(!listed.contains(third), listed);
        String map =
                Tool.run(
                        "qemu-img",
                        "map",
                        "--output=json",
                        "--image-opts",
                        "driver=nbd,export=%s,server.type=unix,server.path=%s,x-dirty-bitmap=%s"
                                .formatted(
                                        disk,
                                        home.resolve("run").resolve("nbd.sock"),
                                        "qemu:dirty-bitmap:" + second));
        assertTrue(map.contains("\"start\": 1048576, \"length\": 65536"), map);
        detach(vbd);
    }
}
