// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Figures;
import dev.varve.hv.bench.report.HostFacts;
import dev.varve.hv.bench.report.Report;
import dev.varve.hv.bench.report.ReportWriter;
import dev.varve.hv.bench.report.Row;
import dev.varve.hv.bench.report.TableWriter;
import dev.varve.hv.daemon.DaemonInfo;
import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * Runs a benchmark from the command line, prints its table and writes its report down: {@code NAME
 * [--out DIRECTORY] [--dir DIRECTORY] [OPTION]...}.
 */
public final class BenchMain {
    /** The system property with the directory under which reports are kept. */
    private static final String RESULTS = "varve.bench.results";

    private static final DateTimeFormatter FOLDER =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

    private static final Map<String, Supplier<Benchmark>> BENCHMARKS =
            new TreeMap<>(
                    Map.of(
                            "nbd", NbdBench::new,
                            "chain", ChainBench::new,
                            "api", ApiBench::new,
                            "sr", SrBench::new));

    private BenchMain() {}

    /** Runs one benchmark. */
    public static void main(String[] args) throws IOException, InterruptedException {
        try {
            run(args);
        } catch (IllegalArgumentException e) {
            System.err.println("varve bench: " + e.getMessage());
            System.exit(2);
        }
    }

    private static void run(String[] args) throws IOException, InterruptedException {
        String name = args.length == 0 ? "" : args[0];
        if (!BENCHMARKS.containsKey(name)) {
            throw new IllegalArgumentException(
                    "there is no benchmark called "
                            + name
                            + "; there are: "
                            + String.join(", ", BENCHMARKS.keySet()));
        }
        Benchmark benchmark = BENCHMARKS.get(name).get();
        Set<String> withValue = new HashSet<>(benchmark.options());
        withValue.addAll(Set.of("--out", "--dir"));
        BenchOptions options =
                new BenchOptions(
                        Arrays.asList(args).subList(1, args.length), withValue, benchmark.flags());
        requirePrograms(benchmark);
        long epochMillis = Clock.system().epochMillis();
        Path out = Path.of(options.text("--out", standard(name, epochMillis))).toAbsolutePath();
        Files.createDirectories(out);
        // Before anything logs: the daemon's log belongs to the results, not between the lines.
        System.setProperty("varve.log", out.resolve("bench.log").toString());
        System.setProperty("logback.configurationFile", "logback-daemon.xml");
        Report.Builder builder =
                new Report.Builder(
                        name,
                        benchmark.title(),
                        epochMillis,
                        DaemonInfo.version(),
                        HostFacts.read(scratch(options)),
                        BenchMain::progress);
        benchmark.run(options, builder);
        write(builder.build(), out);
    }

    /** The directory under which a benchmark may put files; it is on what is measured. */
    static Path scratch(BenchOptions options) throws IOException {
        return Files.createDirectories(
                Path.of(options.text("--dir", System.getProperty("java.io.tmpdir"))));
    }

    private static void requirePrograms(Benchmark benchmark) {
        List<String> missing = Programs.missing(benchmark.programs());
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(
                    "needs " + missing + "; the packages are " + benchmark.packages());
        }
    }

    private static String standard(String name, long epochMillis) {
        String parent = System.getProperty(RESULTS, System.getProperty("java.io.tmpdir"));
        return parent + "/" + name + "-" + FOLDER.format(Instant.ofEpochMilli(epochMillis));
    }

    /** A run takes minutes; whoever waits sees that it goes on. */
    private static void progress(Row row) {
        System.err.printf(
                "%s, %s, %s: %s%n",
                row.part(),
                row.workload(),
                row.subject(),
                Figures.withUnit(row.first().spread().median(), row.first().unit()));
    }

    private static void write(Report report, Path out) throws IOException {
        for (ReportWriter writer : ReportWriter.ALL) {
            writer.write(report, out);
        }
        System.err.println();
        System.out.print(TableWriter.text(report));
        System.out.println("\nresults: " + out);
    }
}
