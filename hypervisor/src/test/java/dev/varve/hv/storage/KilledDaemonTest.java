// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.testing.DaemonCalls;
import dev.varve.hv.testing.RealDaemon;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** A daemon that is killed again and again under a client that writes and flushes. */
@Tag("real")
class KilledDaemonTest {
    private static final String PYTHON = "/usr/bin/python3";
    private static final int ROUNDS = 3;
    private static final long HEAP_MIB = 256;

    /**
     * Writes blocks with their numbers all over the disk, from a number on, flushes after every
     * 16th, and then says how many it has flushed. Ends when the daemon does.
     */
    private static final String WRITER =
            """
            import nbd, struct, sys
            h = nbd.NBD()
            h.connect_uri(sys.argv[1])
            n = int(sys.argv[2])
            try:
                while True:
                    for n in range(n + 1, n + 17):
                        h.pwrite(struct.pack('>Q', n) * 512, (n * 7919 % 16384) * 4096)
                    h.flush()
                    print(n, flush=True)
            except nbd.Error as e:
                pass
            """;

    /**
     * Compares: each block holds the last number that was flushed for it, or one that was on its
     * way when a daemon was killed.
     */
    private static final String READER =
            """
            import nbd, struct, sys
            h = nbd.NBD()
            h.connect_uri(sys.argv[1])
            last, loose = {}, {}
            for round in sys.argv[2:]:
                begin, flushed = [int(x) for x in round.split('-')]
                for n in range(begin + 1, flushed + 1):
                    last[n * 7919 % 16384] = n
                for n in range(flushed + 1, flushed + 17):
                    loose.setdefault(n * 7919 % 16384, set()).add(n)
            for block, n in last.items():
                data = h.pread(4096, block * 4096)
                found = struct.unpack('>Q', data[:8])[0]
                assert data == struct.pack('>Q', found) * 512, ('torn', block)
                later = found > n and found in loose.get(block, ())
                assert found == n or later, ('lost', block, n, found)
            print('compared', len(last))
            """;

    @TempDir Path parent;

    /** Makes a disk and gives it to the control domain. */
    private String attachDisk(RealDaemon daemon) throws IOException {
        DaemonCalls calls = new DaemonCalls(daemon);
        Map<String, String> place = Map.of("location", parent.resolve("sr").toString());
        return calls.attach(calls.createDisk(calls.createRepository("file", place), 64 << 20));
    }

    /** Starts a writer and kills the daemon after some flushes; tells the last number of those. */
    private static long killUnderLoad(RealDaemon daemon, String uri, long begin, int flushes)
            throws IOException {
        Process writer =
                new ProcessBuilder(PYTHON, "-c", WRITER, uri, Long.toString(begin))
                        .redirectErrorStream(true)
                        .start();
        long flushed = begin;
        try (BufferedReader lines = writer.inputReader(StandardCharsets.UTF_8)) {
            for (int i = 0; i < flushes; i++) {
                flushed = Long.parseLong(String.valueOf(lines.readLine()));
            }
            daemon.kill();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                flushed = Long.parseLong(line);
            }
        } finally {
            writer.destroyForcibly();
        }
        return flushed;
    }

    private static void compare(String uri, List<String> rounds)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(PYTHON, "-c", READER, uri));
        command.addAll(rounds);
        Process reader = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(reader.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, reader.waitFor(), output);
        assertTrue(output.contains("compared"), output);
    }

    @Test
    void whatWasFlushedIsThereAfterEachKill() throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of(PYTHON)), "needs python3");
        Process probe = new ProcessBuilder(PYTHON, "-c", "import nbd").start();
        assumeTrue(probe.waitFor() == 0, "needs python3-libnbd");
        Path home = Files.createDirectory(parent.resolve("home"));
        RealDaemon daemon = new RealDaemon(home, HEAP_MIB);
        try {
            String vdi = attachDisk(daemon);
            String uri = "nbd+unix:///" + vdi + "?socket=" + home.resolve("run/nbd.sock");
            Random random = new Random(1);
            List<String> rounds = new ArrayList<>();
            long begin = 0;
            for (int round = 0; round < ROUNDS; round++) {
                long flushed = killUnderLoad(daemon, uri, begin, 5 + random.nextInt(60));
                rounds.add(begin + "-" + flushed);
                begin = flushed + 100;
                daemon = RealDaemon.again(home, HEAP_MIB);
                new DaemonCalls(daemon).awaitAttached();
                compare(uri, rounds);
            }
        } finally {
            daemon.close();
        }
    }
}
