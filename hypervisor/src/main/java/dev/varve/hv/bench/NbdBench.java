// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;
import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.store.VolumeKind;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Our exports beside the servers that a user would pick, the client's own ceiling ({@code nbdkit
 * null}) and fio straight on a file, with the same jobs on the same file system in one run; and
 * what connections cost that do nothing.
 *
 * <p>Subjects alternate within each round, so that a drift of the machine strikes all of them.
 */
final class NbdBench implements Benchmark {
    private static final String RAW = "varve raw";
    private static final String VHD = "varve vhd";
    private static final String QEMU_RAW = "qemu-nbd raw";
    private static final String QEMU_VPC = "qemu-nbd vpc";
    private static final String STORAGE_DAEMON = "qemu-storage-daemon raw";
    private static final String NULL = "nbdkit null";
    private static final String FILE = "fio on a file";

    private static final String IDLE = "idle";
    private static final String IDLE_MEMORY = "idle-memory";
    private static final int IDLE_CONNECTIONS = 400;

    /** Runs a job against somebody. */
    private interface Load {
        FioResult run(FioJob job, DiskState state) throws IOException, InterruptedException;
    }

    /** Starts somebody who serves a disk in the given state. */
    private interface Opener {
        NbdServers.Server open(DiskState state) throws IOException, InterruptedException;
    }

    private int repetitions;
    private Programs programs;
    private NbdServers servers;
    private Report.Builder report;

    @Override
    public String title() {
        return "disks of 1 GiB over NBD, one connection that works";
    }

    @Override
    public Set<String> options() {
        return Set.of("--seconds", "--repetitions", "--only");
    }

    @Override
    public Set<String> flags() {
        return Set.of("--pinned");
    }

    @Override
    public List<String> programs() {
        return List.of("fio", "qemu-nbd", "qemu-img", "qemu-io", "nbdkit", "nbdinfo");
    }

    @Override
    public String packages() {
        return "fio qemu-utils nbdkit libnbd-bin";
    }

    @Override
    public void run(BenchOptions options, Report.Builder builder)
            throws IOException, InterruptedException {
        report = builder;
        int seconds = options.count("--seconds", 5);
        repetitions = options.count("--repetitions", 3);
        boolean pinned = options.flag("--pinned");
        List<String> parts = parts(options.text("--only", ""));
        programs = new Programs(seconds, pinned);
        if (pinned) {
            String pid = Long.toString(ProcessHandle.current().pid());
            programs.run(List.of("taskset", "-a", "-c", "-p", "1", pid), 10);
        }
        report.parameter("seconds", seconds).parameter("repetitions", repetitions);
        report.parameter("pinned", pinned ? "client on processor 0, servers on 1" : "no");
        describe();
        Path directory = Files.createTempDirectory(BenchMain.scratch(options), "varve-bench");
        try (BenchRepository repository = new BenchRepository(directory)) {
            report.parameter("engine", String.join("; ", repository.engine().describe()));
            servers = new NbdServers(directory, programs, repository);
            for (String part : parts) {
                if (part.equals(IDLE)) {
                    idle();
                } else {
                    loads(state(part));
                }
            }
        } finally {
            PathUtils.deleteDirectory(directory);
        }
    }

    private static List<String> parts(String only) {
        List<String> all = new ArrayList<>();
        for (DiskState state : DiskState.values()) {
            all.add(state.label());
        }
        all.add(IDLE);
        if (!only.isEmpty() && !all.contains(only)) {
            throw new IllegalArgumentException("there is no part " + only + ", there are " + all);
        }
        return only.isEmpty() ? all : List.of(only);
    }

    private static DiskState state(String part) {
        for (DiskState state : DiskState.values()) {
            if (state.label().equals(part)) {
                return state;
            }
        }
        throw new IllegalArgumentException("there is no state " + part);
    }

    private void describe() throws IOException, InterruptedException {
        for (String name : List.of("fio", "qemu-nbd", "nbdkit")) {
            programs.version(report, name);
        }
        report.subject(RAW, "our export of a raw disk, in this process, set as in the daemon");
        report.subject(VHD, "our export of a VHD disk");
        report.subject(QEMU_RAW, "qemu-nbd on a raw file, past the page cache, with io_uring");
        report.subject(QEMU_VPC, "qemu-nbd on a dynamic VHD; it cannot be unwritten");
        if (Programs.isInstalled("qemu-storage-daemon")) {
            programs.version(report, "qemu-storage-daemon");
            report.subject(STORAGE_DAEMON, "qemu-storage-daemon on a raw file, likewise");
        }
        report.subject(NULL, "a server that does nothing: what the client can take; reads only");
        report.subject(FILE, "fio with io_uring straight on a file: what the device can do");
        report.caveat(
                "Rows of less than 5 seconds: the just-in-time compiler is not done, and noise is"
                        + " 30 percent and more.");
        report.caveat(
                "Another load, or a host that is shared with others: read ratios, and believe only"
                        + " what is larger than their spread.");
        report.caveat(
                "Client and server share the processors. At depth 1 it is good when the scheduler"
                        + " puts both on one, at depth 32 it is bad; compare with --pinned.");
        report.caveat(
                "The client is the bound where a figure comes near nbdkit null, the device where it"
                        + " comes near fio on a file; a faster server would not show.");
        report.caveat(
                "Processors that change their frequency: the first rows run at another one than the"
                        + " last.");
        report.caveat(
                "A page cache on the way: everything here goes past it; a file system without"
                        + " O_DIRECT would not.");
        report.caveat(
                "A file system that is nearly full or was just trimmed, and comparing rows of"
                        + " different states.");
    }

    // ---- loads

    private void loads(DiskState state) throws IOException, InterruptedException {
        report.part(state.label(), "Requests over NBD; what lies under writes: " + state.label());
        for (FioJob job : FioJob.ALL) {
            if (job.isWrite() || state == DiskState.WRITTEN) {
                job(job, state);
            }
        }
    }

    private void job(FioJob job, DiskState state) throws IOException, InterruptedException {
        Map<String, Load> loads = loadsOf(job, state);
        Map<String, List<FioResult>> results = new LinkedHashMap<>();
        for (int i = 0; i < repetitions; i++) {
            for (Map.Entry<String, Load> each : loads.entrySet()) {
                results.computeIfAbsent(each.getKey(), _ -> new ArrayList<>())
                        .add(each.getValue().run(job, state));
            }
        }
        results.forEach((subject, rounds) -> report.row(row(job, state, subject, rounds)));
    }

    private Map<String, Load> loadsOf(FioJob job, DiskState state) {
        Map<String, Load> loads = new LinkedHashMap<>();
        loads.put(RAW, served(under -> servers.ours(VolumeKind.RAW, under)));
        loads.put(QEMU_RAW, served(under -> servers.qemuRaw(under, NbdServers.FEW_CONNECTIONS)));
        if (Programs.isInstalled("qemu-storage-daemon")) {
            loads.put(STORAGE_DAEMON, served(servers::storageDaemon));
        }
        loads.put(VHD, served(under -> servers.ours(VolumeKind.VHD, under)));
        if (state != DiskState.UNWRITTEN) {
            loads.put(QEMU_VPC, served(servers::qemuVhd));
        }
        if (!job.isWrite()) {
            loads.put(NULL, served(_ -> servers.nothing()));
        }
        loads.put(FILE, this::onFile);
        return loads;
    }

    private Load served(Opener opener) {
        return (job, state) -> {
            NbdServers.Server server = opener.open(state);
            try {
                return programs.fioNbd(job, server.uri());
            } finally {
                server.stop();
            }
        };
    }

    private FioResult onFile(FioJob job, DiskState state) throws IOException, InterruptedException {
        Path file = servers.rawFile("plain.raw", state);
        try {
            return programs.fioFile(job, file);
        } finally {
            Files.delete(file);
        }
    }

    private static Row row(FioJob job, DiskState state, String subject, List<FioResult> rounds) {
        Row row =
                Row.of(state.label(), job.name(), subject, FioResult.measures(rounds))
                        .load(job.depth(), job.blockBytes());
        return switch (subject) {
            case RAW -> row.versus(QEMU_RAW).versus(STORAGE_DAEMON).versus(FILE).versus(NULL);
            case VHD -> row.versus(QEMU_VPC).versus(RAW);
            default -> row;
        };
    }

    // ---- connections that do nothing

    private void idle() throws IOException, InterruptedException {
        report.part(IDLE, "Requests of one connection beside connections that do nothing");
        report.part(IDLE_MEMORY, "Memory that a connection takes that does nothing");
        report.parameter("idle connections", IDLE_CONNECTIONS);
        Map<String, Opener> openers = new LinkedHashMap<>();
        openers.put(RAW, state -> servers.ours(VolumeKind.RAW, state));
        openers.put(QEMU_RAW, state -> servers.qemuRaw(state, IDLE_CONNECTIONS + 8));
        Map<String, List<FioResult>> alone = new LinkedHashMap<>();
        Map<String, List<FioResult>> beside = new LinkedHashMap<>();
        Map<String, List<Double>> memory = new LinkedHashMap<>();
        for (int i = 0; i < repetitions; i++) {
            for (Map.Entry<String, Opener> each : openers.entrySet()) {
                NbdServers.Server server = each.getValue().open(DiskState.WRITTEN);
                try {
                    String subject = each.getKey();
                    add(alone, subject, programs.fioNbd(FioJob.READ_1, server.uri()));
                    long before = ProcessMemory.residentBytes(server.pid());
                    List<NbdClient> clients = connect(server.uri());
                    try {
                        long taken = ProcessMemory.residentBytes(server.pid()) - before;
                        add(memory, subject, taken / (double) IDLE_CONNECTIONS);
                        add(beside, subject, programs.fioNbd(FioJob.READ_1, server.uri()));
                    } finally {
                        for (NbdClient client : clients) {
                            client.close();
                        }
                    }
                } finally {
                    server.stop();
                }
            }
        }
        for (String subject : openers.keySet()) {
            report.row(idleRow("no idle connection", subject, alone.get(subject)));
        }
        String many = IDLE_CONNECTIONS + " idle connections";
        for (String subject : openers.keySet()) {
            report.row(
                    idleRow(many, subject, beside.get(subject))
                            .versus(subject, "no idle connection"));
            Measure taken = Measure.cost("memory", Unit.BYTES, new Spread(memory.get(subject)));
            Row row = Row.of(IDLE_MEMORY, "a connection", subject, taken);
            report.row(subject.equals(RAW) ? row.versus(QEMU_RAW) : row);
        }
        report.caveat(
                "Memory of idle connections is the growth of the resident memory of the process;"
                        + " our process is the benchmark itself and has the clients as well.");
    }

    private static Row idleRow(String workload, String subject, List<FioResult> rounds) {
        return Row.of(IDLE, workload, subject, FioResult.measures(rounds))
                .load(FioJob.READ_1.depth(), FioJob.READ_1.blockBytes());
    }

    private static <T> void add(Map<String, List<T>> results, String subject, T result) {
        results.computeIfAbsent(subject, _ -> new ArrayList<>()).add(result);
    }

    private static List<NbdClient> connect(String uri) throws IOException {
        List<NbdClient> clients = new ArrayList<>();
        for (int i = 0; i < IDLE_CONNECTIONS; i++) {
            clients.add(NbdClient.connect(URI.create(uri)));
        }
        return clients;
    }
}
