// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;
import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.Invariant;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * How fast the leaf of an attached disk is merged with the image below, beside a copy of as many
 * bytes, and what a writer feels of it.
 */
final class MergeBench {
    private static final String PART = "merges";
    private static final String MERGE = "merge of a live leaf";
    private static final String COPY = "cp";
    private static final String WRITER = "writer during a merge";
    private static final String ALONE = "writer alone";
    private static final int LEAF_MIB = 512;
    private static final String WORKLOAD = "%d MiB".formatted(LEAF_MIB);
    private static final int COPY_SECONDS = 300;
    private static final double NANOS = 1e9;

    private final Clock clock = Clock.system();
    private final BenchRepository repository;
    private final Programs programs;
    private final int repetitions;
    private final Report.Builder report;

    private final List<Double> idle = new ArrayList<>();
    private final List<Double> busy = new ArrayList<>();
    private final List<Double> copies = new ArrayList<>();
    private final List<Double> during = new ArrayList<>();
    private final List<Double> alone = new ArrayList<>();
    private final List<Double> longest = new ArrayList<>();
    private final List<Double> longestAlone = new ArrayList<>();

    MergeBench(
            BenchRepository repository, Programs programs, int repetitions, Report.Builder report) {
        this.repository = repository;
        this.programs = programs;
        this.repetitions = repetitions;
        this.report = report;
    }

    static void describe(Report.Builder report) {
        report.subject(MERGE, "the leaf of an attached disk, into the base copy below it");
        report.subject(COPY, "cp of the leaf's file before it was merged, with a flush at the end");
        report.subject(WRITER, "one client that writes 4 KiB at random, one request at a time");
        report.subject(ALONE, "the same client on the same disk for as long, without a merge");
    }

    void run(Path directory) throws IOException, InterruptedException {
        report.part(PART, "Merging a leaf of %d MiB of an attached disk".formatted(LEAF_MIB));
        for (int i = 0; i < repetitions; i++) {
            idle.add(LEAF_MIB / withLeaf(directory, (vdi, _) -> merge(vdi)));
            busy.add(LEAF_MIB / withLeaf(directory, this::mergeUnderLoad));
        }
        Measure speed = Measure.rate("MiB", new Spread(idle));
        report.row(Row.of(PART, WORKLOAD, MERGE, speed).versus(COPY));
        report.row(
                Row.of(PART, WORKLOAD + ", written", MERGE, Measure.rate("MiB", new Spread(busy)))
                        .versus(COPY, WORKLOAD));
        report.row(Row.of(PART, WORKLOAD, COPY, Measure.rate("MiB", new Spread(copies))));
        report.row(writer(WRITER, during, longest).versus(ALONE));
        report.row(writer(ALONE, alone, longestAlone));
    }

    private static Row writer(String subject, List<Double> rates, List<Double> stalls) {
        return Row.of(
                        PART,
                        "4k write, depth 1",
                        subject,
                        Measure.rate("operations", new Spread(rates)),
                        Measure.cost("longest", Unit.MILLISECONDS, new Spread(stalls)))
                .load(1, Pages.BYTES);
    }

    /** Something that is done with a disk and takes so many seconds. */
    private interface Work {
        double seconds(UUID vdi, URI uri);
    }

    private double withLeaf(Path directory, Work work) throws IOException, InterruptedException {
        UUID vdi = repository.create(VolumeKind.VHD, Chains.SIZE);
        URI uri = repository.attach(vdi);
        programs.fill(uri.toString());
        UUID snapshot = RandomSource.secure().uuid();
        repository
                .disks()
                .snapshot(List.of(new SnapshotSpec(vdi, snapshot)), repository.operation());
        fillLeaf(uri);
        repository.disks().destroy(snapshot, repository.operation());
        copies.add(LEAF_MIB / copy(directory, vdi));
        double seconds = work.seconds(vdi, uri);
        repository.detach(vdi);
        repository.disks().destroy(vdi, repository.operation());
        repository.disks().removeGarbage(repository.operation());
        return seconds;
    }

    private static void fillLeaf(URI uri) throws IOException {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer data = ByteBuffer.allocateDirect(1 << 20);
            for (int i = 0; i < LEAF_MIB; i++) {
                data.clear().putInt(0, i);
                client.write((long) i << 20, data);
            }
            client.flush();
        }
    }

    private double copy(Path directory, UUID vdi) throws IOException, InterruptedException {
        Path copy = directory.resolve("copy");
        long begin = clock.nanoTime();
        programs.run(
                List.of(
                        "cp",
                        "--reflink=never",
                        repository.location().resolve(vdi + ".vhd").toString(),
                        copy.toString()),
                COPY_SECONDS);
        try (FileChannel file = FileChannel.open(copy, StandardOpenOption.WRITE)) {
            file.force(true);
        }
        double seconds = (clock.nanoTime() - begin) / NANOS;
        Files.delete(copy);
        return seconds;
    }

    private double merge(UUID vdi) {
        Merge merge =
                repository.disks().merges(repository.operation()).stream()
                        .filter(found -> found.child().equals(vdi))
                        .findFirst()
                        .orElseThrow();
        long begin = clock.nanoTime();
        boolean merged =
                repository
                        .disks()
                        .merge(merge, repository.operation())
                        .finish(repository.operation())
                        .isPresent();
        Invariant.check(merged, "nobody cancels a merge here");
        return (clock.nanoTime() - begin) / NANOS;
    }

    private double mergeUnderLoad(UUID vdi, URI uri) {
        SnapshotLoad load = new SnapshotLoad(uri, (long) LEAF_MIB << 20);
        double[] seconds = new double[1];
        SnapshotLoad.Result loaded = load.during(0, 1, () -> seconds[0] = merge(vdi));
        SnapshotLoad.Result quiet = load.during(0, 1, () -> pause(seconds[0]));
        during.add(loaded.writes().count() / seconds[0]);
        alone.add(quiet.writes().count() / seconds[0]);
        longest.add(loaded.writes().percentileMillis(100));
        longestAlone.add(quiet.writes().percentileMillis(100));
        return seconds[0];
    }

    private void pause(double seconds) {
        long end = clock.nanoTime() + (long) (seconds * TimeUnit.SECONDS.toNanos(1));
        for (long left = end - clock.nanoTime(); left > 0; left = end - clock.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }
}
