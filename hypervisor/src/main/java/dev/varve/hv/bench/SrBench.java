// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Report;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Repositories on block storage: operations on disks beside commands of lvm2, repositories with
 * many disks, disks that grow while they are written, and disks on iSCSI beside QEMU's.
 */
final class SrBench implements Benchmark {
    private static final String OPERATIONS = "operations";
    private static final String SIZES = "sizes";
    private static final String GROWTH = "growth";
    private static final String ISCSI = "iscsi";

    /** The file of a device is sparse: it takes what is written. */
    private static final long DEVICE_BYTES = 128L << 30;

    private Programs programs;
    private int repetitions;
    private Report.Builder report;

    @Override
    public String title() {
        return "repositories on block storage";
    }

    @Override
    public Set<String> options() {
        return Set.of("--seconds", "--repetitions", "--only", "--gib");
    }

    @Override
    public List<String> programs() {
        return List.of("fio", "losetup", "lvcreate", "qemu-nbd", "nbdinfo", "tgtd", "tgtadm");
    }

    @Override
    public String packages() {
        return "fio util-linux lvm2 qemu-utils qemu-block-extra libnbd-bin tgt";
    }

    @Override
    public void run(BenchOptions options, Report.Builder builder)
            throws IOException, InterruptedException {
        report = builder;
        int seconds = options.count("--seconds", 5);
        int gib = options.count("--gib", 4);
        repetitions = options.count("--repetitions", 3);
        programs = new Programs(seconds, false);
        report.parameter("seconds", seconds)
                .parameter("repetitions", repetitions)
                .parameter("gib", gib);
        describe();
        for (String part : parts(options.text("--only", ""))) {
            Path directory = Files.createTempDirectory(BenchMain.scratch(options), "varve-bench");
            try {
                measure(part, directory, gib);
            } finally {
                PathUtils.deleteDirectory(directory);
            }
        }
    }

    private static List<String> parts(String only) {
        List<String> all = List.of(OPERATIONS, SIZES, GROWTH, ISCSI);
        if (!only.isEmpty() && !all.contains(only)) {
            throw new IllegalArgumentException("there is no part " + only + ", there are " + all);
        }
        return only.isEmpty() ? all : List.of(only);
    }

    private void describe() throws IOException, InterruptedException {
        programs.version(report, "fio");
        programs.version(report, "qemu-nbd");
        programs.version(report, "lvcreate");
        VolumeOperations.describe(report);
        GrowthBench.describe(report);
        IscsiBench.describe(report);
        report.caveat("Another load, a host that is shared with others, rows of few seconds.");
        report.caveat(
                "Devices are loop devices on files: a flush of the device is one of the file system"
                        + " below, which takes most of the time of an operation on a disk.");
        report.caveat(
                "The longest of some ten thousand requests is one request; repeat before you"
                        + " believe it.");
        report.caveat("tgtd, client and server share the processors.");
    }

    private void measure(String part, Path directory, int gib)
            throws IOException, InterruptedException {
        if (part.equals(ISCSI)) {
            new IscsiBench(programs, repetitions, report).run(directory);
            return;
        }
        try (LoopDevice device =
                        new LoopDevice(programs, directory.resolve("device.img"), DEVICE_BYTES);
                BenchRepository repository =
                        new BenchRepository(directory, "lvm", Map.of("device", device.node()))) {
            VolumeOperations operations =
                    new VolumeOperations(repository, programs, repetitions, report);
            switch (part) {
                case OPERATIONS -> operations.rates(directory);
                case SIZES -> operations.sizes(directory, device.node());
                default -> new GrowthBench(repository, repetitions, gib, report).run();
            }
        }
    }
}
