// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.vdi.store.VolumeKind;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** A disk of a repository on iSCSI beside {@code qemu-nbd} on another LUN of the same target. */
final class IscsiBench {
    private static final String PART = "iscsi";
    private static final String VARVE = "varve lvmoiscsi";
    private static final String QEMU = "qemu-nbd on libiscsi";
    private static final String INITIATOR = "iqn.2026-11.dev.varve:bench-host";
    private static final long LUN_BYTES = 4L << 30;
    private static final long DISK_BYTES = 1L << 30;
    private static final int OURS = 1;
    private static final int THEIRS = 2;

    private static final List<FioJob> JOBS =
            List.of(
                    FioJob.READ_1,
                    FioJob.READ_32,
                    new FioJob("4k write, depth 1", "randwrite", 4 << 10, 1),
                    new FioJob("4k write, depth 32", "randwrite", 4 << 10, 32),
                    new FioJob("256k read, depth 8", "read", 256 << 10, 8),
                    new FioJob("256k write, depth 8", "write", 256 << 10, 8));

    private final Programs programs;
    private final int repetitions;
    private final Report.Builder report;

    IscsiBench(Programs programs, int repetitions, Report.Builder report) {
        this.programs = programs;
        this.repetitions = repetitions;
        this.report = report;
    }

    static void describe(Report.Builder report) {
        report.subject(VARVE, "a VHD disk in a volume group on a LUN, over NBD, in this process");
        report.subject(QEMU, "qemu-nbd --cache=none on iscsi://, the whole LUN as a raw disk");
    }

    void run(Path directory) throws IOException, InterruptedException {
        report.part(PART, "Disks of 1 GiB, all of it written before, over one connection of NBD");
        try (TgtServer target = new TgtServer(programs, directory)) {
            target.add(OURS, LUN_BYTES);
            target.add(THEIRS, LUN_BYTES);
            try (BenchRepository repository =
                    new BenchRepository(directory, "lvmoiscsi", configuration(target))) {
                compare(repository, directory, target);
            }
        }
    }

    private static Map<String, String> configuration(TgtServer target) {
        return Map.of(
                "target",
                TgtServer.HOST,
                "port",
                Integer.toString(TgtServer.PORT),
                "targetIQN",
                target.name(OURS),
                "LUNid",
                "1",
                "localIQN",
                INITIATOR);
    }

    private void compare(BenchRepository repository, Path directory, TgtServer target)
            throws IOException, InterruptedException {
        UUID disk = repository.create(VolumeKind.VHD, DISK_BYTES);
        String ours = repository.attach(disk).toString();
        Path socket = directory.resolve("qemu.sock");
        String theirs = "nbd+unix:///?socket=" + socket;
        Process qemu =
                programs.serve(QemuCommands.nbdOnIscsi(target.uri(THEIRS), socket), socket, theirs);
        try {
            programs.fill(ours);
            programs.fill(theirs);
            for (FioJob job : JOBS) {
                compare(job, ours, theirs);
            }
        } finally {
            Programs.stop(qemu);
            repository.detach(disk);
        }
    }

    private void compare(FioJob job, String ours, String theirs)
            throws IOException, InterruptedException {
        Map<String, List<FioResult>> results = new LinkedHashMap<>();
        for (int i = 0; i < repetitions; i++) {
            results.computeIfAbsent(VARVE, _ -> new ArrayList<>()).add(programs.fioNbd(job, ours));
            results.computeIfAbsent(QEMU, _ -> new ArrayList<>()).add(programs.fioNbd(job, theirs));
        }
        results.forEach(
                (subject, rounds) -> {
                    Row row = Row.of(PART, job.name(), subject, FioResult.measures(rounds));
                    row = row.load(job.depth(), job.blockBytes());
                    report.row(subject.equals(VARVE) ? row.versus(QEMU) : row);
                });
    }
}
