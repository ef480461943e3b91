// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;
import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** Operations on disks of a volume group beside commands of lvm2, and groups with many disks. */
final class VolumeOperations {
    private static final String RATES = "operations";
    private static final String SIZES = "sizes";
    private static final String VARVE = "varve lvm";
    private static final String COMMAND = "command of lvm2";
    private static final String LVS = "lvs";
    private static final int COUNT = 20;
    private static final int[] DISKS = {1_000, 10_000};
    private static final long DISK_BYTES = 1L << 30;

    /** So small that the table of a snapshot, which is written with it, is one sector. */
    private static final long SMALL_DISK_BYTES = 4 << 20;

    private static final long GROUP_BYTES = 16L << 30;

    /** Something that takes time. */
    private interface Work {
        void run() throws IOException, InterruptedException;
    }

    private final Clock clock = Clock.system();
    private final BenchRepository repository;
    private final Programs programs;
    private final int repetitions;
    private final Report.Builder report;

    VolumeOperations(
            BenchRepository repository, Programs programs, int repetitions, Report.Builder report) {
        this.repository = repository;
        this.programs = programs;
        this.repetitions = repetitions;
        this.report = report;
    }

    static void describe(Report.Builder report) {
        report.subject(VARVE, "our repository on a loop device, in this process");
        report.subject(
                COMMAND,
                "lvcreate and lvremove in a group on another loop device, without activation; one"
                        + " of them for each volume, as the reference stack does");
        report.subject(LVS, "lvs of all volumes of our repository");
    }

    // ---- operations

    void rates(Path directory) throws IOException, InterruptedException {
        report.part(RATES, "One after the other, %d each, milliseconds for one".formatted(COUNT));
        Map<String, List<Double>> times = new LinkedHashMap<>();
        try (LoopDevice device =
                new LoopDevice(programs, directory.resolve("lvm2.img"), GROUP_BYTES)) {
            Lvm2Group group = new Lvm2Group(programs, directory.resolve("lvm2"), device.node());
            group.create();
            ours(new LinkedHashMap<>()); // a daemon runs for long: what it starts with is not meant
            for (int i = 0; i < repetitions; i++) {
                ours(times);
                theirs(group, times);
            }
        }
        row(VARVE, "create", times, "lvcreate");
        row(VARVE, "snapshot", times, "lvcreate");
        row(VARVE, "delete", times, "lvremove");
        row(COMMAND, "lvcreate", times, "");
        row(COMMAND, "lvremove", times, "");
    }

    private void ours(Map<String, List<Double>> times) throws IOException, InterruptedException {
        List<UUID> disks = new ArrayList<>();
        note(
                times,
                "create",
                () -> {
                    for (int i = 0; i < COUNT; i++) {
                        disks.add(repository.create(VolumeKind.VHD, DISK_BYTES));
                    }
                });
        UUID source = disks.getFirst();
        note(
                times,
                "snapshot",
                () -> {
                    for (int i = 0; i < COUNT; i++) {
                        disks.add(snapshot(source));
                    }
                });
        int count = disks.size();
        note(times, "delete", count, () -> disks.reversed().forEach(this::destroy));
    }

    private void destroy(UUID disk) {
        repository.disks().destroy(disk, repository.operation());
    }

    private UUID snapshot(UUID source) {
        UUID snapshot = RandomSource.secure().uuid();
        repository
                .disks()
                .snapshot(List.of(new SnapshotSpec(source, snapshot)), repository.operation());
        return snapshot;
    }

    private void theirs(Lvm2Group group, Map<String, List<Double>> times)
            throws IOException, InterruptedException {
        note(
                times,
                "lvcreate",
                () -> {
                    for (int i = 0; i < COUNT; i++) {
                        group.createVolume("volume" + i);
                    }
                });
        note(
                times,
                "lvremove",
                () -> {
                    for (int i = 0; i < COUNT; i++) {
                        group.removeVolume("volume" + i);
                    }
                });
    }

    private void note(Map<String, List<Double>> times, String what, Work work)
            throws IOException, InterruptedException {
        note(times, what, COUNT, work);
    }

    private void note(Map<String, List<Double>> times, String what, int count, Work work)
            throws IOException, InterruptedException {
        times.computeIfAbsent(what, _ -> new ArrayList<>()).add(1000 * secondsOf(work) / count);
    }

    private void row(
            String subject, String what, Map<String, List<Double>> times, String baseline) {
        Measure time = Measure.cost("time", Unit.MILLISECONDS, new Spread(times.get(what)));
        Row row = Row.of(RATES, what, subject, time);
        report.row(baseline.isEmpty() ? row : row.versus(COMMAND, baseline));
    }

    private double secondsOf(Work work) throws IOException, InterruptedException {
        long begin = clock.nanoTime();
        work.run();
        return (clock.nanoTime() - begin) / 1e9;
    }

    // ---- many disks

    /** Snapshots of one small disk, since each is an image of its own in a volume of its own. */
    void sizes(Path directory, String node) throws IOException, InterruptedException {
        report.part(SIZES, "Repositories with many disks");
        Lvm2Group group = new Lvm2Group(programs, directory.resolve("lvm2"), node);
        UUID source = repository.create(VolumeKind.VHD, SMALL_DISK_BYTES);
        try (NbdClient client = NbdClient.connect(repository.attach(source))) {
            client.write(
                    0, ByteBuffer.allocateDirect(Pages.BYTES)); // an empty one has no base copy
        }
        repository.detach(source);
        snapshot(source);
        int there = repository.disks().scan(repository.operation()).size();
        for (int wanted : DISKS) {
            for (; there < wanted; there++) {
                snapshot(source);
            }
            Map<String, List<Double>> times = new LinkedHashMap<>();
            for (int i = 0; i < repetitions; i++) {
                note(times, "attach", 1, repository::reattach);
                note(times, "scan", 1, () -> repository.disks().scan(repository.operation()));
                note(times, LVS, 1, group::list);
            }
            String disks = ", %,d disks".formatted(wanted);
            report.row(
                    size("attach" + disks, VARVE, times.get("attach")).versus(LVS, "all" + disks));
            report.row(size("scan" + disks, VARVE, times.get("scan")).versus(LVS, "all" + disks));
            report.row(size("all" + disks, LVS, times.get(LVS)));
        }
    }

    private static Row size(String workload, String subject, List<Double> millis) {
        return Row.of(
                SIZES,
                workload,
                subject,
                Measure.cost("time", Unit.MILLISECONDS, new Spread(millis)));
    }
}
