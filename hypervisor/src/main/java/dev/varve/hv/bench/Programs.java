// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Report;
import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs the real programs that a benchmark needs. */
final class Programs {
    private static final List<Path> DIRECTORIES =
            List.of(
                    Path.of("/usr/bin"),
                    Path.of("/usr/sbin"),
                    Path.of("/usr/local/bin"),
                    Path.of("/bin"));
    private static final long START_SECONDS = 10;
    private static final int FILL_SECONDS = 120;

    private final Clock clock = Clock.system();
    private final boolean pinned;
    private final int seconds;

    /**
     * @param seconds how long each load takes
     * @param pinned whether clients keep to processor 0 and servers to processor 1
     */
    Programs(int seconds, boolean pinned) {
        this.seconds = seconds;
        this.pinned = pinned;
    }

    /** Which of the programs are not installed. */
    static List<String> missing(List<String> names) {
        return names.stream().filter(name -> !isInstalled(name)).toList();
    }

    static boolean isInstalled(String name) {
        return DIRECTORIES.stream().anyMatch(dir -> Files.isExecutable(dir.resolve(name)));
    }

    /** Notes the first line that a program says about its version. */
    void version(Report.Builder report, String name) throws IOException, InterruptedException {
        String said = run(List.of(name, "--version"), 10);
        report.program(name, said.lines().findFirst().orElse("").strip());
    }

    /** Loads an NBD export. */
    FioResult fioNbd(FioJob job, String uri) throws IOException, InterruptedException {
        return fio(job, job.onNbd(uri, seconds));
    }

    /** Loads a file. */
    FioResult fioFile(FioJob job, Path file) throws IOException, InterruptedException {
        return fio(job, job.onFile(file, seconds));
    }

    private FioResult fio(FioJob job, List<String> command)
            throws IOException, InterruptedException {
        List<String> whole = new ArrayList<>(command);
        if (pinned) {
            whole.add("--cpus_allowed=0");
        }
        return FioResult.parse(job, run(whole, seconds + 60));
    }

    /** Writes a whole gibibyte to an NBD export. */
    void fill(String uri) throws IOException, InterruptedException {
        run(FioJob.fill(uri), FILL_SECONDS);
    }

    /** Runs a program to its end and gives back what it printed. */
    String run(List<String> command, int limitSeconds) throws IOException, InterruptedException {
        return run(command, Map.of(), limitSeconds);
    }

    /**
     * Runs a program to its end and gives back what it printed.
     *
     * @param environment what it finds there besides our own
     */
    String run(List<String> command, Map<String, String> environment, int limitSeconds)
            throws IOException, InterruptedException {
        Path output = Files.createTempFile("varve-bench", ".out");
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile());
            builder.environment().putAll(environment);
            Process process = builder.start();
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

    /**
     * Starts a server and waits until it serves.
     *
     * @param uri where it does that
     */
    Process serve(List<String> command, Path socket, String uri)
            throws IOException, InterruptedException {
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
