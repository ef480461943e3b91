// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * What snapshots cost: reads at growing depth beside qemu's qcow2 with as many backing files, the
 * time that requests lose while snapshots are taken, snapshots and clones for each second, and the
 * scan of many disks.
 */
final class ChainBench implements Benchmark {
    private static final int SNAPSHOTS = 100;
    private static final int RATE_COUNT = 50;
    private static final int[] READ_DEPTHS = {1, 10, 30, 200};
    private static final int[] STALL_DEPTHS = {1, 30, 200};
    private static final int[] SCANS = {1_000, 20_000};
    private static final int HEAD_BYTES = 4096;

    private static final String VARVE = "varve vhd";
    private static final String FLAT = "varve vhd of 1 layer";
    private static final String QCOW2 = "qemu-nbd qcow2";
    private static final String QUIET = "quiet";
    private static final String SNAPSHOTTED = "during snapshots";
    private static final String DURABLE_FILE = "a durable file";
    private static final String PLAIN_READ = "plain reads";

    private static final String READS = "reads";
    private static final String STALLS = "stalls";
    private static final String RATES = "rates";
    private static final String SCAN = "scan";
    private static final String MERGES = "merges";

    /** Something that can fail to reach its files. */
    private interface Work {
        void run() throws IOException;
    }

    private final Clock clock = Clock.system();
    private int seconds;
    private int repetitions;
    private Programs programs;
    private Report.Builder report;

    @Override
    public String title() {
        return "what snapshots and deep chains cost";
    }

    @Override
    public Set<String> options() {
        return Set.of("--seconds", "--repetitions", "--only");
    }

    @Override
    public List<String> programs() {
        return List.of("fio", "qemu-nbd", "qemu-img", "qemu-io", "nbdinfo");
    }

    @Override
    public String packages() {
        return "fio qemu-utils libnbd-bin";
    }

    @Override
    public void run(BenchOptions options, Report.Builder builder)
            throws IOException, InterruptedException {
        report = builder;
        seconds = options.count("--seconds", 5);
        repetitions = options.count("--repetitions", 3);
        programs = new Programs(seconds, false);
        report.parameter("seconds", seconds).parameter("repetitions", repetitions);
        describe();
        for (String part : parts(options.text("--only", ""))) {
            Path directory = Files.createTempDirectory(BenchMain.scratch(options), "varve-bench");
            try (BenchRepository repository = new BenchRepository(directory)) {
                switch (part) {
                    case READS -> reads(repository, directory);
                    case STALLS -> stalls(repository);
                    case MERGES ->
                            new MergeBench(repository, programs, repetitions, report)
                                    .run(directory);
                    default -> {
                        rates(repository, directory);
                        scans(repository);
                    }
                }
            } finally {
                PathUtils.deleteDirectory(directory);
            }
        }
    }

    private static List<String> parts(String only) {
        List<String> all = List.of(READS, STALLS, SCAN, MERGES);
        if (!only.isEmpty() && !all.contains(only)) {
            throw new IllegalArgumentException("there is no part " + only + ", there are " + all);
        }
        return only.isEmpty() ? all : List.of(only);
    }

    private void describe() throws IOException, InterruptedException {
        programs.version(report, "fio");
        programs.version(report, "qemu-nbd");
        report.subject(VARVE, "our VHD disks, in this process, set as in the daemon");
        report.subject(FLAT, "a disk of ours without snapshots, read beside each depth");
        report.subject(QCOW2, "qemu-nbd on qcow2 with as many backing files, past the page cache");
        report.subject(QUIET, "the same disk for the same time without snapshots");
        report.subject(SNAPSHOTTED, "the disk while %d snapshots are taken".formatted(SNAPSHOTS));
        report.subject(
                DURABLE_FILE,
                "a new file of 4 KiB: written, flushed, renamed, its directory flushed; what the"
                        + " file system takes for one");
        MergeBench.describe(report);
        report.subject(PLAIN_READ, "reading the first 4 KiB of each image, and nothing else");
        report.caveat(
                "The load competes with the snapshots for the processors: on two of them it is most"
                        + " of what it sees.");
        report.caveat(
                "The longest of some ten thousand requests is one request; repeat before you"
                        + " believe it.");
        report.caveat(
                "A scan right after the images were made finds them in the page cache where the"
                        + " file system has no O_DIRECT.");
        report.caveat(
                "Rows of less than 5 seconds, another load, a host that is shared with others,"
                        + " processors that change their frequency.");
        report.caveat(
                "A disk whose own cache holds the gibibyte: reads cost the same wherever they"
                        + " are.");
    }

    // ---- reads

    private void reads(BenchRepository repository, Path directory)
            throws IOException, InterruptedException {
        report.part(
                READS,
                "Random reads of 1 GiB; each layer above the first has %d pages of its own"
                        .formatted(Chains.PAGES_PER_LAYER));
        UUID flat = repository.create(VolumeKind.VHD, Chains.SIZE);
        UUID deep = repository.create(VolumeKind.VHD, Chains.SIZE);
        URI flatUri = repository.attach(flat);
        URI deepUri = repository.attach(deep);
        programs.fill(flatUri.toString());
        programs.fill(deepUri.toString());
        Chains.Qcow2 theirs = new Chains.Qcow2(directory, programs);
        int layers = 1;
        for (int depth : READ_DEPTHS) {
            for (; layers < depth; layers++) {
                Chains.snapshot(repository, deep);
                Chains.writePages(deepUri, layers);
                theirs.addLayer(layers);
            }
            for (FioJob job : List.of(FioJob.READ_1, FioJob.READ_32)) {
                reads(job, workload(job, depth), deepUri, flatUri, theirs);
            }
        }
        repository.detach(deep);
        repository.detach(flat);
    }

    /** The flat disk is read again beside each depth, since the machine may have changed. */
    private void reads(FioJob job, String workload, URI deep, URI flat, Chains.Qcow2 theirs)
            throws IOException, InterruptedException {
        Map<String, List<FioResult>> results = new LinkedHashMap<>();
        for (String subject : List.of(VARVE, FLAT, QCOW2)) {
            results.put(subject, new ArrayList<>());
        }
        for (int i = 0; i < repetitions; i++) {
            results.get(VARVE).add(programs.fioNbd(job, deep.toString()));
            results.get(FLAT).add(programs.fioNbd(job, flat.toString()));
            results.get(QCOW2).add(theirs.measure(job));
        }
        results.forEach(
                (subject, rounds) -> {
                    Row row = Row.of(READS, workload, subject, FioResult.measures(rounds));
                    row = row.load(job.depth(), job.blockBytes());
                    report.row(subject.equals(VARVE) ? row.versus(QCOW2).versus(FLAT) : row);
                });
    }

    private static String workload(FioJob job, int layers) {
        return job.name() + ", " + layers + (layers == 1 ? " layer" : " layers");
    }

    // ---- stalls

    private void stalls(BenchRepository repository) throws IOException, InterruptedException {
        report.part(
                STALLS,
                "The longest request of two readers and two writers, 4 KiB, one request each");
        for (int depth : STALL_DEPTHS) {
            UUID vdi = repository.create(VolumeKind.VHD, Chains.SIZE);
            URI uri = repository.attach(vdi);
            programs.fill(uri.toString());
            for (int layer = 1; layer < depth; layer++) {
                Chains.snapshot(repository, vdi);
                Chains.writePages(uri, layer);
            }
            SnapshotLoad load = new SnapshotLoad(uri, Chains.SIZE);
            load.during(() -> LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(seconds))); // warm
            long begin = clock.nanoTime();
            SnapshotLoad.Result busy =
                    load.during(
                            () -> {
                                for (int i = 0; i < SNAPSHOTS; i++) {
                                    Chains.snapshot(repository, vdi);
                                }
                            });
            long took = clock.nanoTime() - begin;
            SnapshotLoad.Result quiet = load.during(() -> sleepUntil(clock.nanoTime() + took));
            stall("reads", depth, quiet.reads(), busy.reads());
            stall("writes", depth, quiet.writes(), busy.writes());
            repository.detach(vdi);
        }
    }

    private void sleepUntil(long nanoTime) {
        for (long left = nanoTime - clock.nanoTime();
                left > 0;
                left = nanoTime - clock.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    private void stall(String what, int layers, Latencies quiet, Latencies busy) {
        String workload = what + " of a disk of " + layers + (layers == 1 ? " layer" : " layers");
        report.row(
                Row.of(STALLS, workload, SNAPSHOTTED, times(busy))
                        .load(4, Pages.BYTES)
                        .versus(QUIET));
        report.row(Row.of(STALLS, workload, QUIET, times(quiet)).load(4, Pages.BYTES));
    }

    private static Measure[] times(Latencies latencies) {
        return new Measure[] {
            millis("longest", latencies.percentileMillis(100)),
            millis("p50", latencies.percentileMillis(50)),
            millis("p99", latencies.percentileMillis(99))
        };
    }

    private static Measure millis(String name, double value) {
        return Measure.cost(name, Unit.MILLISECONDS, Spread.of(value));
    }

    // ---- rates and scans

    private void rates(BenchRepository repository, Path directory) throws IOException {
        report.part(
                RATES, "Snapshots and clones, one after the other, %d each".formatted(RATE_COUNT));
        UUID vdi = repository.create(VolumeKind.VHD, Chains.SIZE);
        Chains.writePages(repository.attach(vdi), 1);
        UUID idle = repository.create(VolumeKind.VHD, Chains.SIZE);
        Chains.writePages(repository.attach(idle), 1);
        repository.detach(idle);
        Map<String, Work> works = new LinkedHashMap<>();
        works.put("snapshot of an attached disk", () -> Chains.snapshot(repository, vdi));
        works.put("clone of an attached disk", () -> cloneOf(repository, vdi));
        works.put("clone of a detached disk", () -> cloneOf(repository, idle));
        works.put(DURABLE_FILE, () -> durableFile(directory));
        Map<String, List<Double>> rates = new LinkedHashMap<>();
        for (int i = 0; i < repetitions; i++) {
            for (Map.Entry<String, Work> work : works.entrySet()) {
                rates.computeIfAbsent(work.getKey(), _ -> new ArrayList<>())
                        .add(rate(work.getValue()));
            }
        }
        repository.detach(vdi);
        String common = "one after the other";
        Row files = Row.of(RATES, common, DURABLE_FILE, rate(rates.remove(DURABLE_FILE)));
        rates.forEach(
                (what, rounds) ->
                        report.row(
                                Row.of(RATES, what, VARVE, rate(rounds))
                                        .versus(DURABLE_FILE, common)));
        report.row(files);
    }

    private static Measure rate(List<Double> rounds) {
        return Measure.rate("operations", new Spread(rounds));
    }

    private static void cloneOf(BenchRepository repository, UUID vdi) {
        repository.disks().clone(vdi, RandomSource.secure().uuid(), repository.operation());
    }

    private static void durableFile(Path directory) throws IOException {
        Path beginning = directory.resolve("durable.new");
        try (FileChannel file =
                FileChannel.open(
                        beginning, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.allocate(HEAD_BYTES));
            file.force(true);
        }
        Files.move(beginning, directory.resolve("durable"), StandardCopyOption.ATOMIC_MOVE);
        try (FileChannel folder = FileChannel.open(directory, StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    private double rate(Work one) throws IOException {
        return RATE_COUNT
                / secondsOf(
                        () -> {
                            for (int i = 0; i < RATE_COUNT; i++) {
                                one.run();
                            }
                        });
    }

    private double secondsOf(Work work) throws IOException {
        long begin = clock.nanoTime();
        work.run();
        return (clock.nanoTime() - begin) / 1e9;
    }

    /** Scans as many disks as snapshots of one disk that are copied as files. */
    private void scans(BenchRepository repository) throws IOException {
        report.part(SCAN, "The scan of a repository");
        UUID vdi = repository.create(VolumeKind.VHD, Chains.SIZE);
        Chains.writePages(repository.attach(vdi), 1);
        repository.detach(vdi);
        UUID snapshot = RandomSource.secure().uuid();
        repository
                .disks()
                .snapshot(List.of(new SnapshotSpec(vdi, snapshot)), repository.operation());
        Path image = repository.location().resolve(snapshot + ".vhd");
        int there = repository.disks().scan(repository.operation()).size();
        for (int wanted : SCANS) {
            for (; there < wanted; there++) {
                Files.copy(
                        image,
                        repository.location().resolve(RandomSource.secure().uuid() + ".vhd"));
            }
            List<Double> scans = new ArrayList<>();
            List<Double> reads = new ArrayList<>();
            for (int i = 0; i < repetitions; i++) {
                scans.add(secondsOf(() -> repository.disks().scan(repository.operation())));
                reads.add(secondsOf(() -> readHeads(repository.location())));
            }
            String workload = "%,d disks".formatted(wanted);
            report.row(Row.of(SCAN, workload, VARVE, time(scans)).versus(PLAIN_READ));
            report.row(Row.of(SCAN, workload, PLAIN_READ, time(reads)));
        }
    }

    private static void readHeads(Path location) throws IOException {
        ByteBuffer head = ByteBuffer.allocateDirect(HEAD_BYTES);
        try (Stream<Path> images = Files.list(location)) {
            for (Path image : images.filter(file -> file.toString().endsWith(".vhd")).toList()) {
                try (FileChannel file = FileChannel.open(image, StandardOpenOption.READ)) {
                    file.read(head.clear(), 0);
                }
            }
        }
    }

    private static Measure time(List<Double> rounds) {
        return Measure.cost("time", Unit.SECONDS, new Spread(rounds));
    }
}
