// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The real programs that a benchmark runs. */
final class Programs {
    private static final List<Path> DIRECTORIES =
            List.of(
                    Path.of("/usr/bin"),
                    Path.of("/usr/sbin"),
                    Path.of("/usr/local/bin"),
                    Path.of("/bin"));
    private static final long START_SECONDS = 10;

    private final Clock clock = Clock.system();
    private final ObjectMapper json = new ObjectMapper();
    private final boolean pinned;
    private final int seconds;

    /**
     * @param seconds how long each row takes
     * @param pinned whether clients keep to processor 0 and servers to processor 1
     */
    Programs(int seconds, boolean pinned) {
        this.seconds = seconds;
        this.pinned = pinned;
    }

    /** The value behind an option of a command line. */
    static String option(String[] args, String name, String fallback) {
        int index = Arrays.asList(args).indexOf(name);
        return index >= 0 && index + 1 < args.length ? args[index + 1] : fallback;
    }

    /** Which of the programs are not installed. */
    static List<String> missing(String... names) {
        List<String> missing = new ArrayList<>();
        for (String name : names) {
            if (DIRECTORIES.stream().noneMatch(dir -> Files.isExecutable(dir.resolve(name)))) {
                missing.add(name);
            }
        }
        return missing;
    }

    /** Runs fio against an NBD export. */
    FioResult fioNbd(FioJob job, String uri) throws IOException, InterruptedException {
        return fio(job, List.of("--ioengine=nbd", "--uri=" + uri));
    }

    /** Writes a whole gibibyte to an NBD export. */
    void fill(String uri) throws IOException, InterruptedException {
        run(
                List.of(
                        "fio",
                        "--name=fill",
                        "--ioengine=nbd",
                        "--uri=" + uri,
                        "--rw=write",
                        "--bs=1m",
                        "--iodepth=8",
                        "--size=1g"),
                120);
    }

    /** Runs fio straight on a file. */
    FioResult fioFile(FioJob job, Path file) throws IOException, InterruptedException {
        return fio(job, List.of("--ioengine=io_uring", "--direct=1", "--filename=" + file));
    }

    private FioResult fio(FioJob job, List<String> target)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("fio", "--name=bench"));
        command.addAll(target);
        command.addAll(
                List.of(
                        "--rw=" + job.rw(),
                        "--bs=" + job.block(),
                        "--iodepth=" + job.depth(),
                        "--size=1g",
                        "--time_based",
                        "--runtime=" + seconds,
                        "--randrepeat=0",
                        "--norandommap",
                        "--output-format=json"));
        if (pinned) {
            command.add("--cpus_allowed=0");
        }
        String output = run(command, seconds + 60);
        JsonNode result = json.readTree(output.substring(output.indexOf('{')));
        JsonNode side = result.path("jobs").get(0).path(job.isWrite() ? "write" : "read");
        double p99 = side.path("clat_ns").path("percentile").path("99.000000").asDouble() / 1000;
        return new FioResult(side.path("iops").asDouble(), p99);
    }

    /** Runs a program to its end and gives back what it printed. */
    String run(List<String> command, int limitSeconds) throws IOException, InterruptedException {
        Path output = Files.createTempFile("varve-bench", ".out");
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile())
                            .start();
            if (!process.waitFor(limitSeconds, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException(command.getFirst() + " did not end in time");
            }
            String text = Files.readString(output, StandardCharsets.UTF_8);
            if (process.exitValue() != 0) {
                throw new IOException(String.join(" ", command) + " failed:\n" + text);
            }
            return text;
        } finally {
            Files.delete(output);
        }
    }

    /** Starts a server and waits for its socket. */
    Process serve(List<String> command, Path socket) throws IOException, InterruptedException {
        List<String> whole = new ArrayList<>();
        if (pinned) {
            whole.addAll(List.of("taskset", "-c", "1"));
        }
        whole.addAll(command);
        Files.deleteIfExists(socket);
        Process process =
                new ProcessBuilder(whole)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start();
        String uri = "nbd+unix:///?socket=" + socket;
        long deadline = clock.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (!answers(uri)) {
            if (!process.isAlive() || clock.nanoTime() > deadline) {
                process.destroyForcibly();
                throw new IOException(String.join(" ", whole) + " did not start to serve");
            }
        }
        return process;
    }

    private static boolean answers(String uri) throws IOException, InterruptedException {
        Process probe =
                new ProcessBuilder("nbdinfo", "--size", uri)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start();
        return probe.waitFor() == 0;
    }

    /** Ends a server that was started here. */
    static void stop(Process process) throws InterruptedException {
        process.destroy();
        if (!process.waitFor(START_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly().waitFor();
        }
    }
}
