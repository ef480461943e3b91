// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.vdi.store.VolumeKind;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;

/**
 * Our exports beside {@code qemu-nbd}, the client's own ceiling ({@code nbdkit null}) and fio
 * straight on a file, with the same jobs on the same file system in one run.
 *
 * <p>Rows alternate between servers, so that a drift of the machine strikes all of them; each
 * figure is the median of the repetitions. Processors shared by client and server, a file system
 * that is nearly full, or another load make the numbers wrong: read ratios, not requests for each
 * second.
 */
public final class NbdBench {
    private static final long SIZE = 1L << 30;

    /** What lies under the disk when the measured writes begin. */
    private enum State {
        /** All of it was written before. */
        WRITTEN,
        /** Its space is allocated, but was never written. */
        UNWRITTEN,
        /** Nothing is there. */
        HOLES
    }

    /** Somebody who serves the disk. */
    private interface Server {
        String uri();

        void stop() throws IOException, InterruptedException;
    }

    private final Path directory;
    private final Programs programs;
    private final int repetitions;
    private final BenchRepository repository;

    private NbdBench(Path directory, Programs programs, int repetitions) {
        this.directory = directory;
        this.programs = programs;
        this.repetitions = repetitions;
        this.repository = new BenchRepository(directory);
    }

    /** Runs the benchmark: {@code [--seconds N] [--repetitions N] [--pinned] [--dir DIRECTORY]}. */
    public static void main(String[] args) throws IOException, InterruptedException {
        Path parent = Path.of(Programs.option(args, "--dir", System.getProperty("java.io.tmpdir")));
        int seconds = Integer.parseInt(Programs.option(args, "--seconds", "5"));
        int repetitions = Integer.parseInt(Programs.option(args, "--repetitions", "3"));
        boolean pinned = Arrays.asList(args).contains("--pinned");
        List<String> missing = Programs.missing("fio", "qemu-nbd", "qemu-img", "nbdkit", "nbdinfo");
        if (!missing.isEmpty()) {
            System.err.println(
                    "bench nbd needs "
                            + missing
                            + "; the packages are fio qemu-utils nbdkit libnbd-bin");
            System.exit(1);
        }
        Files.createDirectories(parent);
        Path directory = Files.createTempDirectory(parent, "varve-bench");
        try {
            Programs programs = new Programs(seconds, pinned);
            if (pinned) {
                String pid = Long.toString(ProcessHandle.current().pid());
                programs.run(List.of("taskset", "-a", "-c", "-p", "1", pid), 10);
            }
            new NbdBench(directory, programs, repetitions).run(pinned);
        } finally {
            PathUtils.deleteDirectory(directory);
        }
    }

    private void run(boolean pinned) throws IOException, InterruptedException {
        System.out.printf(
                "varve bench nbd: 1 GiB, one connection, %d repetitions of each row, %s%n",
                repetitions,
                pinned ? "client on processor 0, servers on 1" : "processors not pinned");
        repository.engine().describe().forEach(System.out::println);
        for (State state : State.values()) {
            System.out.printf("%nwrites go to: %s%n", state.name().toLowerCase(Locale.ROOT));
            System.out.printf(
                    "%-20s %9s %9s %9s %9s %9s %9s  %s%n",
                    "requests/s (p99 us)",
                    "raw",
                    "qemu raw",
                    "vhd",
                    "qemu vpc",
                    "null",
                    "file",
                    "raw/qemu  vhd/qemu  raw/file");
            for (FioJob job : FioJob.ALL) {
                if (job.isWrite() || state == State.WRITTEN) {
                    row(job, state);
                }
            }
        }
        repository.close();
    }

    private void row(FioJob job, State state) throws IOException, InterruptedException {
        Map<String, List<FioResult>> results = new LinkedHashMap<>();
        for (int i = 0; i < repetitions; i++) {
            measure(results, "raw", job, ours(VolumeKind.RAW, state));
            measure(results, "qemu raw", job, qemu("raw", state));
            measure(results, "vhd", job, ours(VolumeKind.VHD, state));
            if (state != State.UNWRITTEN) {
                measure(results, "qemu vpc", job, qemu("vpc", state));
            }
            if (!job.isWrite()) {
                measure(results, "null", job, nullServer());
            }
            Path file = rawFile("plain.raw", state);
            results.computeIfAbsent("file", key -> new ArrayList<>())
                    .add(programs.fioFile(job, file));
            Files.delete(file);
        }
        System.out.printf(
                "%-20s %9s %9s %9s %9s %9s %9s  %8s  %8s  %8s%n",
                job.name(),
                figure(results, "raw"),
                figure(results, "qemu raw"),
                figure(results, "vhd"),
                figure(results, "qemu vpc"),
                figure(results, "null"),
                figure(results, "file"),
                ratio(results, "raw", "qemu raw"),
                ratio(results, "vhd", "qemu vpc"),
                ratio(results, "raw", "file"));
        System.out.printf(
                "%-20s %9s %9s %9s %9s %9s %9s%n",
                "",
                tail(results, "raw"),
                tail(results, "qemu raw"),
                tail(results, "vhd"),
                tail(results, "qemu vpc"),
                tail(results, "null"),
                tail(results, "file"));
    }

    private void measure(
            Map<String, List<FioResult>> results, String name, FioJob job, Server server)
            throws IOException, InterruptedException {
        try {
            results.computeIfAbsent(name, key -> new ArrayList<>())
                    .add(programs.fioNbd(job, server.uri()));
        } finally {
            server.stop();
        }
    }

    private static double median(List<FioResult> results) {
        double[] sorted = results.stream().mapToDouble(FioResult::iops).sorted().toArray();
        return sorted[sorted.length / 2];
    }

    private static String figure(Map<String, List<FioResult>> results, String name) {
        List<FioResult> list = results.get(name);
        return list == null ? "-" : "%.0f".formatted(median(list));
    }

    private static String tail(Map<String, List<FioResult>> results, String name) {
        List<FioResult> list = results.get(name);
        if (list == null) {
            return "-";
        }
        double[] sorted = list.stream().mapToDouble(FioResult::p99Micros).sorted().toArray();
        return "(%.0f)".formatted(sorted[sorted.length / 2]);
    }

    private static String ratio(Map<String, List<FioResult>> results, String a, String b) {
        if (results.get(a) == null || results.get(b) == null) {
            return "-";
        }
        return "%.2f".formatted(median(results.get(a)) / median(results.get(b)));
    }

    // ---- servers

    private Server ours(VolumeKind kind, State state) throws IOException, InterruptedException {
        UUID uuid = repository.create(kind, SIZE);
        String uri = repository.attach(uuid).toString();
        prepare(uri, state);
        return new Server() {
            @Override
            public String uri() {
                return uri;
            }

            @Override
            public void stop() {
                repository.detach(uuid);
                repository.disks().destroy(uuid, repository.operation());
            }
        };
    }

    private void prepare(String uri, State state) throws IOException, InterruptedException {
        switch (state) {
            case WRITTEN -> programs.fill(uri);
            case UNWRITTEN ->
                    programs.run(List.of("qemu-io", "-f", "raw", uri, "-c", "write -z 0 1G"), 60);
            case HOLES -> {}
        }
    }

    private Server qemu(String format, State state) throws IOException, InterruptedException {
        Path file;
        if (format.equals("raw")) {
            file = rawFile("qemu.raw", state);
        } else {
            file = directory.resolve("qemu.vhd");
            programs.run(
                    List.of("qemu-img", "create", "-q", "-f", format, file.toString(), "1G"), 60);
        }
        Path socket = directory.resolve("qemu.sock");
        Process process =
                programs.serve(
                        List.of(
                                "qemu-nbd",
                                "-f",
                                format,
                                "--socket=" + socket,
                                "-t",
                                "-e",
                                "8",
                                "--discard=unmap",
                                "--cache=none",
                                "--aio=io_uring",
                                file.toString()),
                        socket);
        String uri = "nbd+unix:///?socket=" + socket;
        if (!format.equals("raw") && state == State.WRITTEN) {
            programs.fill(uri);
        }
        return process(process, uri, file);
    }

    private Server nullServer() throws IOException, InterruptedException {
        Path socket = directory.resolve("null.sock");
        Process process =
                programs.serve(
                        List.of("nbdkit", "-f", "-r", "-U", socket.toString(), "null", "size=1G"),
                        socket);
        return process(process, "nbd+unix:///?socket=" + socket, socket);
    }

    private static Server process(Process process, String uri, Path leftover) {
        return new Server() {
            @Override
            public String uri() {
                return uri;
            }

            @Override
            public void stop() throws IOException, InterruptedException {
                Programs.stop(process);
                Files.deleteIfExists(leftover);
            }
        };
    }

    private Path rawFile(String name, State state) throws IOException, InterruptedException {
        Path file = directory.resolve(name);
        String preallocation =
                switch (state) {
                    case WRITTEN -> "full";
                    case UNWRITTEN -> "falloc";
                    case HOLES -> "off";
                };
        programs.run(
                List.of(
                        "qemu-img",
                        "create",
                        "-q",
                        "-f",
                        "raw",
                        "-o",
                        "preallocation=" + preallocation,
                        file.toString(),
                        "1G"),
                120);
        return file;
    }
}
