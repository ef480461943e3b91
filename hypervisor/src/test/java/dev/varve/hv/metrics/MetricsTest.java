// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.daemon.VarveDaemon;
import dev.varve.hv.nbd.NbdClient;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

final class MetricsTest {
    private static final int PAGE = 4096;

    @TempDir Path home;

    /** A daemon with real lanes and files. */
    private static final class RealDaemon implements AutoCloseable {
        final VarveDaemon daemon;
        final String session;
        String vbd;
        String vdi;

        RealDaemon(Path home) throws IOException {
            daemon =
                    VarveDaemon.start(
                            home,
                            new VarveDaemon.Parts(
                                    Clock.system(),
                                    RandomSource.secure(),
                                    Scheduler.system("test-scheduler"),
                                    Drivers.installed(),
                                    LaneStorageEngine::open));
            session =
                    (String)
                            daemon.dispatcher()
                                    .call(
                                            Caller.LOCAL,
                                            "session.login_with_password",
                                            List.of("root", ""));
        }

        Object call(String method, Object... args) {
            List<Object> params = new ArrayList<>(List.of(session));
            params.addAll(List.of(args));
            return daemon.dispatcher().call(Caller.LOCAL, method, params);
        }

        /** Makes a repository with a name that labels must not have, and attaches a disk of it. */
        void attachDisk() throws IOException {
            String host = (String) ((List<?>) call("host.get_all")).getFirst();
            Path location = Files.createDirectories(daemon.home().resolve("sr"));
            Object sr =
                    call(
                            "SR.create",
                            host,
                            Map.of("location", location.toString()),
                            0L,
                            "a \"name\"",
                            "",
                            "file",
                            "",
                            false);
            String disk =
                    (String)
                            call(
                                    "VDI.create",
                                    Map.of(
                                            "SR",
                                            sr,
                                            "name_label",
                                            "disk",
                                            "virtual_size",
                                            1L << 20,
                                            "type",
                                            "user"));
            vdi = (String) call("VDI.get_uuid", disk);
            vbd =
                    (String)
                            call(
                                    "VBD.create",
                                    Map.of(
                                            "VM", call("host.get_control_domain", host),
                                            "VDI", disk,
                                            "userdevice", "autodetect",
                                            "mode", "RW",
                                            "type", "Disk"));
            call("VBD.plug", vbd);
        }

        NbdClient client() throws IOException {
            Path socket = daemon.home().resolve("run/nbd.sock");
            return NbdClient.connect(URI.create("nbd+unix:///" + vdi + "?socket=" + socket));
        }

        @Override
        public void close() {
            daemon.close();
        }
    }

    /** Asks as a monitoring system does, and checks what the answer says about itself. */
    private static String scrape(Path socket) throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            String request = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            channel.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.US_ASCII)));
            String answer =
                    new String(
                            Channels.newInputStream(channel).readAllBytes(),
                            StandardCharsets.UTF_8);
            assertTrue(answer.startsWith("HTTP/1.1 200 "), answer);
            int body = answer.indexOf("\r\n\r\n") + 4;
            assertTrue(
                    answer.substring(0, body)
                            .toLowerCase(Locale.ROOT)
                            .contains("content-type: text/plain; version=0.0.4"),
                    answer.substring(0, body));
            return answer.substring(body);
        }
    }

    @Test
    void namesFollowTheRules() {
        Set<String> names = new HashSet<>();
        for (Metric metric : Metric.values()) {
            String name = metric.fullName();
            assertTrue(name.matches("varve(_[a-z]+)+"), name);
            assertTrue(names.add(name), name);
            assertEquals(metric.type() == Metric.Type.COUNTER, name.endsWith("_total"), name);
            if (List.of("seconds", "bytes").contains(metric.unit())) {
                assertTrue(name.matches(".*_" + metric.unit() + "(_total)?"), name);
            }
            assertFalse(metric.help().isBlank() || metric.help().endsWith("."), name);
        }
    }

    @Test
    void tellsEveryMetricWithItsTypeAndItsLabels() throws IOException {
        try (RealDaemon real = new RealDaemon(home)) {
            real.attachDisk();
            Exposition all = new Exposition(scrape(real.daemon.socket()));
            for (Metric metric : Metric.values()) {
                Exposition.Family family = all.families().get(metric.fullName());
                assertTrue(family != null, metric.fullName());
                assertEquals(metric.type().name().toLowerCase(Locale.ROOT), family.type());
                for (Exposition.Sample sample : family.samples()) {
                    Set<String> labels = new HashSet<>(sample.labels().keySet());
                    labels.remove("le");
                    assertEquals(Set.copyOf(metric.labels()), labels, sample.name());
                }
            }
            assertEquals(Metric.values().length, all.families().size());
        }
    }

    @Test
    void countersMoveWhenIoIsDone() throws IOException {
        try (RealDaemon real = new RealDaemon(home)) {
            real.attachDisk();
            Map<String, String> disk = Map.of("vdi", real.vdi);
            Exposition before = new Exposition(scrape(real.daemon.socket()));
            assertEquals(0, before.sum("varve_disk_write_bytes_total", disk));
            try (NbdClient client = real.client()) {
                ByteBuffer page = ByteBuffer.allocateDirect(PAGE);
                client.write(0, page);
                client.write(PAGE, page.clear());
                client.flush();
                client.read(0, page.clear());
                Exposition after = new Exposition(scrape(real.daemon.socket()));
                assertEquals(2, after.sum("varve_disk_write_requests_total", disk));
                assertEquals(2 * PAGE, after.sum("varve_disk_write_bytes_total", disk));
                assertEquals(1, after.sum("varve_disk_read_requests_total", disk));
                assertEquals(PAGE, after.sum("varve_disk_read_bytes_total", disk));
                assertEquals(1, after.sum("varve_disk_flush_requests_total", disk));
                assertEquals(0, after.sum("varve_disk_failed_requests_total", disk));
                assertEquals(1, after.sum("varve_nbd_connections", Map.of()));
                assertEquals(1, after.sum("varve_lane_disks", Map.of()));
                assertTrue(
                        after.sum("varve_lane_turns_total", Map.of())
                                > before.sum("varve_lane_turns_total", Map.of()));
            }
            real.call("VBD.unplug", real.vbd);
            Exposition gone = new Exposition(scrape(real.daemon.socket()));
            assertFalse(gone.families().containsKey("varve_disk_read_requests_total"));
        }
    }

    @Test
    void countsCallsByClassAndOutcome() throws IOException {
        try (TestDaemon daemon = new TestDaemon(home, new FakeStorage())) {
            daemon.call("pool.get_all");
            assertThrows(StorageException.class, () -> daemon.call("pool.get_record", "none"));
            assertThrows(StorageException.class, () -> daemon.call("pool.no_such_method"));
            assertThrows(StorageException.class, () -> daemon.call("nonsense.no_such_method"));
            Exposition all = new Exposition(scrape(daemon.daemon.socket()));
            String count = "varve_api_call_seconds_count";
            assertEquals(1, all.sum(count, Map.of("class", "pool", "outcome", "ok")));
            assertEquals(1, all.sum(count, Map.of("class", "pool", "outcome", "refused")));
            assertEquals(2, all.sum(count, Map.of("class", "unknown", "outcome", "refused")));
            assertEquals(1, all.sum("varve_api_sessions", Map.of()));
            assertEquals(1, all.sum("varve_http_connections", Map.of()));
        }
    }

    /** A storage that does not answer must not keep the monitoring system from seeing that. */
    @Test
    void asksNoStorage() throws IOException {
        FakeStorage storage = new FakeStorage();
        try (TestDaemon daemon = new TestDaemon(home, storage)) {
            String sr =
                    daemon.xe(
                                    "sr-create",
                                    "type=fake",
                                    "name-label=one",
                                    "device-config:location=a")
                            .ok();
            daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=1MiB").ok();
            storage.medium("a").away = true;
            Exposition all = new Exposition(scrape(daemon.daemon.socket()));
            Map<String, String> labels = Map.of("sr", sr, "type", "fake");
            assertEquals(1, all.sum("varve_sr_attached", labels));
            assertEquals(1, all.sum("varve_sr_disks", labels));
            assertEquals(1 << 30, all.sum("varve_sr_size_bytes", labels));
            assertEquals(0, all.sum("varve_sr_troubled", labels));
        }
    }

    @Test
    void strictReaderSeesWhatIsWrong() {
        String head = "# HELP a_total it\n# TYPE a_total counter\n";
        assertEquals(3, new Exposition(head + "a_total 3\n").sum("a_total", Map.of()));
        for (String wrong :
                List.of(
                        head + "a_total 3",
                        head + "b_total 3\n",
                        head + "a_total 3\na_total 4\n",
                        head + "a_total{x=y} 3\n",
                        head + head + "a_total 3\n",
                        "a_total 3\n")) {
            assertThrows(AssertionError.class, () -> new Exposition(wrong), wrong);
        }
    }

    /** The reader that the makers of Prometheus wrote for their clients in Python. */
    @Test
    @Tag("real")
    void pythonClientOfPrometheusReadsThePage() throws IOException, InterruptedException {
        String python = "/usr/bin/python3";
        String parse =
                "import sys; from prometheus_client.parser import *;"
                        + "[print(f.name, f.type, len(f.samples))"
                        + " for f in text_string_to_metric_families(sys.stdin.read())]";
        assumeTrue(
                Files.exists(Path.of(python))
                        && new ProcessBuilder(python, "-c", "import prometheus_client")
                                        .start()
                                        .waitFor()
                                == 0,
                "needs the package python3-prometheus-client");
        Path page = home.resolve("page");
        Path output = home.resolve("output");
        try (RealDaemon real = new RealDaemon(home)) {
            real.attachDisk();
            Files.writeString(page, scrape(real.daemon.socket()));
        }
        Process process =
                new ProcessBuilder(python, "-c", parse)
                        .redirectInput(page.toFile())
                        .redirectOutput(output.toFile())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());
        List<String> lines = Files.readAllLines(output);
        assertEquals(Metric.values().length, lines.size());
        assertTrue(lines.contains("varve_disk_read_bytes counter 1"), lines.toString());
    }
}
