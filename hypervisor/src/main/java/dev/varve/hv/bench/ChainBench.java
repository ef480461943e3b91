// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

/**
 * What snapshots cost: reads at growing depth beside qemu's qcow2 with as many backing files, the
 * time that requests lose while snapshots are taken, snapshots and clones for each second, and the
 * scan of many disks.
 */
public final class ChainBench {
    private static final long SIZE = 1L << 30;
    private static final int PAGE = 4096;
    private static final int PAGES_PER_LAYER = 128;
    private static final int SNAPSHOTS = 100;
    private static final int RATE_COUNT = 50;
    private static final int[] READ_DEPTHS = {1, 10, 30, 200};
    private static final int[] STALL_DEPTHS = {1, 30, 200};
    private static final int[] SCANS = {1_000, 20_000};
    private static final List<FioJob> READS =
            List.of(
                    new FioJob("4k read, depth 1", "randread", "4k", 1),
                    new FioJob("4k read, depth 32", "randread", "4k", 32));

    private final Clock clock = Clock.system();
    private final Path directory;
    private final Programs programs;
    private final int seconds;

    private ChainBench(Path directory, int seconds) {
        this.directory = directory;
        this.seconds = seconds;
        this.programs = new Programs(seconds, false);
    }

    /** Runs the benchmark: {@code [--seconds N] [--dir DIRECTORY] [--only reads|stalls|scan]}. */
    public static void main(String[] args) throws IOException, InterruptedException {
        Path parent = Path.of(Programs.option(args, "--dir", System.getProperty("java.io.tmpdir")));
        int seconds = Integer.parseInt(Programs.option(args, "--seconds", "5"));
        String only = Programs.option(args, "--only", "");
        List<String> parts = only.isEmpty() ? List.of("reads", "stalls", "scan") : List.of(only);
        List<String> missing =
                Programs.missing("fio", "qemu-nbd", "qemu-img", "qemu-io", "nbdinfo");
        if (!missing.isEmpty()) {
            System.err.println(
                    "bench chain needs "
                            + missing
                            + "; the packages are fio qemu-utils libnbd-bin");
            System.exit(1);
        }
        Files.createDirectories(parent);
        for (String part : parts) {
            Path directory = Files.createTempDirectory(parent, "varve-bench");
            try {
                new ChainBench(directory, seconds).run(part);
            } finally {
                PathUtils.deleteDirectory(directory);
            }
        }
    }

    private void run(String part) throws IOException, InterruptedException {
        try (BenchRepository repository = new BenchRepository(directory)) {
            switch (part) {
                case "reads" -> reads(repository);
                case "stalls" -> stalls(repository);
                case "scan" -> {
                    rates(repository);
                    scans(repository);
                }
                default -> throw new IllegalArgumentException("there is no part " + part);
            }
        }
    }

    private static void snapshot(BenchRepository repository, UUID vdi) {
        repository
                .disks()
                .snapshot(
                        List.of(new SnapshotSpec(vdi, RandomSource.secure().uuid())),
                        repository.operation());
    }

    // ---- reads

    private void reads(BenchRepository repository) throws IOException, InterruptedException {
        System.out.printf(
                "varve bench chain: 1 GiB, %d pages of 4 KiB in each layer above the first%n%n",
                PAGES_PER_LAYER);
        System.out.printf(
                "%-8s %-18s %9s %9s %9s %9s  %10s %12s%n",
                "layers",
                "requests/s",
                "varve",
                "p99 us",
                "qcow2",
                "p99 us",
                "varve/qcow2",
                "of 1 layer");
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        URI ours = repository.attach(vdi);
        programs.fill(ours.toString());
        Qcow2 theirs = new Qcow2();
        double[] first = new double[READS.size()];
        int layers = 1;
        for (int depth : READ_DEPTHS) {
            for (; layers < depth; layers++) {
                snapshot(repository, vdi);
                writePages(ours, layers);
                theirs.addLayer(layers);
            }
            for (int i = 0; i < READS.size(); i++) {
                FioResult own = programs.fioNbd(READS.get(i), ours.toString());
                FioResult other = theirs.measure(READS.get(i));
                first[i] = depth == 1 ? own.iops() : first[i];
                System.out.printf(
                        "%-8d %-18s %9.0f %9.0f %9.0f %9.0f  %10.2f %12.2f%n",
                        depth,
                        READS.get(i).name(),
                        own.iops(),
                        own.p99Micros(),
                        other.iops(),
                        other.p99Micros(),
                        own.iops() / other.iops(),
                        own.iops() / first[i]);
            }
        }
        repository.detach(vdi);
    }

    private static long[] pages(int layer) {
        Pages pages = new Pages(layer, SIZE / PAGE);
        return IntStream.range(0, PAGES_PER_LAYER).mapToLong(i -> pages.next() * PAGE).toArray();
    }

    private static void writePages(URI uri, int layer) throws IOException {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer data = ByteBuffer.allocateDirect(PAGE);
            for (long offset : pages(layer)) {
                client.write(offset, data.clear());
            }
            client.flush();
        }
    }

    /** A chain of qcow2 images behind qemu-nbd. */
    private final class Qcow2 {
        private Path top = directory.resolve("layer-0.qcow2");

        Qcow2() throws IOException, InterruptedException {
            programs.run(
                    List.of("qemu-img", "create", "-q", "-f", "qcow2", top.toString(), "1G"), 60);
            serving(uri -> programs.fill(uri));
        }

        private interface Use {
            void with(String uri) throws IOException, InterruptedException;
        }

        private void serving(Use use) throws IOException, InterruptedException {
            Path socket = directory.resolve("qemu.sock");
            Process server =
                    programs.serve(
                            List.of(
                                    "qemu-nbd",
                                    "-f",
                                    "qcow2",
                                    "--socket=" + socket,
                                    "-t",
                                    "--cache=none",
                                    "--aio=io_uring",
                                    top.toString()),
                            socket);
            try {
                use.with("nbd+unix:///?socket=" + socket);
            } finally {
                Programs.stop(server);
            }
        }

        void addLayer(int number) throws IOException, InterruptedException {
            Path next = directory.resolve("layer-" + number + ".qcow2");
            programs.run(
                    List.of(
                            "qemu-img",
                            "create",
                            "-q",
                            "-f",
                            "qcow2",
                            "-u",
                            "-b",
                            top.toString(),
                            "-F",
                            "qcow2",
                            next.toString(),
                            "1G"),
                    60);
            top = next;
            List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "qcow2", "-t", "none"));
            for (long offset : pages(number)) {
                command.addAll(List.of("-c", "write -q " + offset + " " + PAGE));
            }
            command.add(top.toString());
            programs.run(command, 120);
        }

        FioResult measure(FioJob job) throws IOException, InterruptedException {
            FioResult[] result = new FioResult[1];
            serving(uri -> result[0] = programs.fioNbd(job, uri));
            return result[0];
        }
    }

    // ---- stalls

    private void stalls(BenchRepository repository) throws IOException, InterruptedException {
        System.out.printf(
                "%nlatency in ms of two readers and two writers (4 KiB, one request each), quiet"
                        + " and during %d snapshots%n%n",
                SNAPSHOTS);
        System.out.printf(
                "%-8s %-7s %9s %9s %9s   %9s %9s %9s   %9s%n",
                "layers", "", "p50", "p99", "max", "p50", "p99", "max", "added max");
        for (int depth : STALL_DEPTHS) {
            UUID vdi = repository.create(VolumeKind.VHD, SIZE);
            URI uri = repository.attach(vdi);
            programs.fill(uri.toString());
            for (int layer = 1; layer < depth; layer++) {
                snapshot(repository, vdi);
                writePages(uri, layer);
            }
            SnapshotLoad load = new SnapshotLoad(uri, SIZE);
            load.during(() -> LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(seconds))); // warm
            long begin = clock.nanoTime();
            SnapshotLoad.Result busy =
                    load.during(
                            () -> {
                                for (int i = 0; i < SNAPSHOTS; i++) {
                                    snapshot(repository, vdi);
                                }
                            });
            long took = clock.nanoTime() - begin;
            SnapshotLoad.Result quiet = load.during(() -> sleepUntil(clock.nanoTime() + took));
            row(depth, "reads", quiet.reads(), busy.reads());
            row(depth, "writes", quiet.writes(), busy.writes());
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

    private static void row(int depth, String what, Latencies quiet, Latencies busy) {
        System.out.printf(
                "%-8d %-7s %9.3f %9.3f %9.3f   %9.3f %9.3f %9.3f   %9.3f%n",
                depth,
                what,
                quiet.percentileMillis(50),
                quiet.percentileMillis(99),
                quiet.percentileMillis(100),
                busy.percentileMillis(50),
                busy.percentileMillis(99),
                busy.percentileMillis(100),
                busy.percentileMillis(100) - quiet.percentileMillis(100));
    }

    // ---- rates and scans

    private void rates(BenchRepository repository) throws IOException {
        System.out.printf("%nfor each second, one after the other, %d of each%n%n", RATE_COUNT);
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        URI uri = repository.attach(vdi);
        writePages(uri, 1);
        rate("snapshots of a disk that is attached", () -> snapshot(repository, vdi));
        rate("clones of a disk that is attached", () -> cloneOf(repository, vdi));
        repository.detach(vdi);
        UUID idle = repository.create(VolumeKind.VHD, SIZE);
        URI idleUri = repository.attach(idle);
        writePages(idleUri, 1);
        repository.detach(idle);
        rate("clones of a disk that is not", () -> cloneOf(repository, idle));
    }

    private static void cloneOf(BenchRepository repository, UUID vdi) {
        repository.disks().clone(vdi, RandomSource.secure().uuid(), repository.operation());
    }

    private void rate(String what, Runnable one) {
        long begin = clock.nanoTime();
        for (int i = 0; i < RATE_COUNT; i++) {
            one.run();
        }
        System.out.printf("%-40s %9.1f%n", what, RATE_COUNT / ((clock.nanoTime() - begin) / 1e9));
    }

    /** Scans as many disks as snapshots of one disk that are copied as files. */
    private void scans(BenchRepository repository) throws IOException {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        writePages(repository.attach(vdi), 1);
        repository.detach(vdi);
        UUID snapshot = RandomSource.secure().uuid();
        repository
                .disks()
                .snapshot(List.of(new SnapshotSpec(vdi, snapshot)), repository.operation());
        Path image = repository.location().resolve(snapshot + ".vhd");
        System.out.printf("%n%-40s %9s %9s%n", "scan", "seconds", "us/disk");
        int there = repository.disks().scan(repository.operation()).size();
        for (int wanted : SCANS) {
            for (; there < wanted; there++) {
                Files.copy(
                        image,
                        repository.location().resolve(RandomSource.secure().uuid() + ".vhd"));
            }
            double[] times = new double[3];
            for (int i = 0; i < times.length; i++) {
                long begin = clock.nanoTime();
                repository.disks().scan(repository.operation());
                times[i] = (clock.nanoTime() - begin) / 1e9;
            }
            Arrays.sort(times);
            System.out.printf(
                    "%-40s %9.2f %9.0f%n", wanted + " disks", times[1], times[1] * 1e6 / wanted);
        }
    }
}
