// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/** What benchmarks are asked, which commands they make of it, and what they read of the answers. */
final class BenchCommandsTest {
    private static final String FIO =
            """
            fio: a line that is not JSON
            {"jobs": [{"read": {"iops": 0},
              "write": {"iops": 1234.5, "clat_ns": {"percentile": {"99.000000": 8000}}}}]}
            """;

    @TempDir Path directory;

    @Test
    void takesOptionsWithAndWithoutValues() {
        BenchOptions options =
                new BenchOptions(
                        List.of("--pinned", "--seconds", "7"),
                        Set.of("--seconds", "--dir"),
                        Set.of("--pinned"));
        assertTrue(options.flag("--pinned"));
        assertEquals(7, options.count("--seconds", 5));
        assertEquals("/tmp", options.text("--dir", "/tmp"));
    }

    @Test
    void refusesOptionsThatItDoesNotKnow() {
        for (List<String> wrong :
                List.of(List.of("--secnods", "7"), List.of("--seconds"), List.of("seven"))) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new BenchOptions(wrong, Set.of("--seconds"), Set.of()));
        }
        BenchOptions none =
                new BenchOptions(List.of("--seconds", "0"), Set.of("--seconds"), Set.of());
        assertThrows(IllegalArgumentException.class, () -> none.count("--seconds", 5));
    }

    @Test
    void readsWhatFioMeasured() throws IOException {
        FioJob write = FioJob.ALL.getLast();
        assertEquals(new FioResult(1234.5, 8), FioResult.parse(write, FIO));
        assertThrows(IOException.class, () -> FioResult.parse(FioJob.READ_1, FIO));
        assertThrows(IOException.class, () -> FioResult.parse(write, "fio: no"));
    }

    @Test
    void tellsFioWhatToDo() {
        List<String> command = FioJob.READ_32.onNbd("nbd+unix:///a?socket=b", 3);
        assertTrue(
                command.containsAll(
                        List.of(
                                "--ioengine=nbd",
                                "--uri=nbd+unix:///a?socket=b",
                                "--rw=randread",
                                "--bs=4096",
                                "--iodepth=32",
                                "--runtime=3")));
        assertFalse(command.contains("--direct=1"));
        assertTrue(FioJob.READ_32.onFile(directory, 3).contains("--direct=1"));
    }

    @Test
    void readsTheMemoryOfAProcess() throws IOException {
        assertEquals(2048, ProcessMemory.resident("Name:\tx\nVmRSS:\t       2 kB\n"));
        assertTrue(ProcessMemory.residentBytes(ProcessHandle.current().pid()) > 1 << 20);
        assertThrows(IOException.class, () -> ProcessMemory.resident("Name:\tx\n"));
    }

    @Test
    void plainSocketAnswersEachRequest() throws IOException {
        Path path = directory.resolve("plain.sock");
        for (int i = 0; i < 2; i++) {
            try (PlainSocket socket = new PlainSocket(path, 100, 1 << 20);
                    PlainSocket.Client client = socket.new Client()) {
                client.exchange();
                client.exchange();
            }
        }
    }

    @Test
    void asksADaemonForTheRowsThatItWrote() throws IOException {
        try (BenchDaemon daemon = new BenchDaemon(directory);
                ApiClient client = new ApiClient(daemon.socket())) {
            String session = daemon.login();
            String repository = daemon.createRepository(session, directory.resolve("sr"));
            daemon.addDisks(repository, 1001);
            var records = client.call("VDI.get_all_records", session);
            assertEquals(1001, records.size());
            records.forEach(record -> assertEquals(repository, record.get("SR").asText()));
            assertThrows(IOException.class, () -> client.call("VDI.get_all_records", "none"));
        }
    }

    @Test
    void everyListenerHearsOfEveryChange() throws Exception {
        try (BenchDaemon daemon = new BenchDaemon(directory)) {
            String session = daemon.login();
            daemon.renamePool(session, "before");
            List<ApiListener> listeners =
                    List.of(
                            new ApiListener(daemon.socket(), session),
                            new ApiListener(daemon.socket(), session));
            Latencies delays =
                    EventDelays.measure(
                            listeners,
                            3,
                            number -> daemon.renamePool(session, Integer.toString(number)));
            assertEquals(4, delays.count(), "all but the first change, for two listeners");
        }
        try (PlainListeners plain = new PlainListeners(directory.resolve("plain.sock"), 2)) {
            assertEquals(4, EventDelays.measure(plain.all(), 3, plain::send).count());
        }
    }

    @Test
    void writesCallsInBothProtocols() throws IOException {
        String xml =
                new String(ApiClient.xmlRequest("pool.get_all", "a"), StandardCharsets.US_ASCII);
        assertTrue(xml.endsWith("<value><string>a</string></value></param></params></methodCall>"));
        try (BenchDaemon daemon = new BenchDaemon(directory);
                ApiClient client = new ApiClient(daemon.socket())) {
            byte[] call = ApiClient.xmlRequest("pool.get_all", daemon.login());
            String answer = new String(client.exchange(call), StandardCharsets.UTF_8);
            assertTrue(answer.contains("<value>Success</value>"), answer);
        }
    }
}
