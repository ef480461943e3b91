// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;
import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** How long the writes take of a guest whose thin disk grows with each of them. */
final class GrowthBench {
    private static final String PART = "growth";
    private static final String GROWING = "disk that grows";
    private static final String GROWN = "disk that has grown";
    private static final int BYTES = 256 << 10;

    /** What no write may take longer than because of growing, in milliseconds. */
    private static final double TARGET_MILLIS = 5;

    private final Clock clock = Clock.system();
    private final BenchRepository repository;
    private final int repetitions;
    private final long sizeBytes;
    private final Report.Builder report;

    GrowthBench(BenchRepository repository, int repetitions, int gib, Report.Builder report) {
        this.repository = repository;
        this.repetitions = repetitions;
        this.sizeBytes = (long) gib << 30;
        this.report = report;
    }

    static void describe(Report.Builder report) {
        report.subject(GROWING, "a thin disk in a volume group that is written for the first time");
        report.subject(GROWN, "the same disk, written a second time");
    }

    void run() throws IOException {
        report.part(
                PART,
                "One client writes %d GiB of a disk from its start to its end"
                        .formatted(sizeBytes >> 30));
        Map<String, List<Latencies>> rounds = new LinkedHashMap<>();
        for (int i = 0; i < repetitions; i++) {
            UUID disk = repository.create(VolumeKind.VHD, sizeBytes);
            URI uri = repository.attach(disk);
            rounds.computeIfAbsent(GROWING, _ -> new ArrayList<>()).add(write(uri));
            rounds.computeIfAbsent(GROWN, _ -> new ArrayList<>()).add(write(uri));
            repository.detach(disk);
            repository.disks().destroy(disk, repository.operation());
        }
        report.row(row(GROWING, rounds.get(GROWING), true).versus(GROWN));
        report.row(row(GROWN, rounds.get(GROWN), false));
    }

    private Latencies write(URI uri) throws IOException {
        Latencies latencies = new Latencies();
        ByteBuffer buffer = ByteBuffer.allocateDirect(BYTES);
        try (NbdClient client = NbdClient.connect(uri)) {
            for (long offset = 0; offset < sizeBytes; offset += BYTES) {
                buffer.clear();
                long begin = clock.nanoTime();
                client.write(offset, buffer);
                latencies.add(clock.nanoTime() - begin);
            }
        }
        return Latencies.of(List.of(latencies));
    }

    private static Row row(String subject, List<Latencies> rounds, boolean hasTarget) {
        Measure longest = measure("longest", rounds, 100);
        return Row.of(
                        PART,
                        "256k write, depth 1",
                        subject,
                        hasTarget ? longest.target(TARGET_MILLIS) : longest,
                        measure("p99", rounds, 99),
                        measure("p50", rounds, 50))
                .load(1, BYTES);
    }

    private static Measure measure(String name, List<Latencies> rounds, double percent) {
        return Measure.cost(
                name,
                Unit.MILLISECONDS,
                new Spread(rounds.stream().map(each -> each.percentileMillis(percent)).toList()));
    }
}
