// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;

/** {@code result.json}, for programs; {@code docs/BENCHMARKING.md} has its fields. */
public final class JsonWriter implements ReportWriter {
    /** The name of the file. */
    public static final String FILE = "result.json";

    private static final int SCHEMA = 1;

    private final JsonMapper mapper =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    @Override
    public void write(Report report, Path directory) throws IOException {
        Files.writeString(directory.resolve(FILE), mapper.writeValueAsString(node(report)) + "\n");
    }

    private ObjectNode node(Report report) {
        ObjectNode root = mapper.createObjectNode();
        root.put("schema", SCHEMA);
        root.put("benchmark", report.benchmark());
        root.put("title", report.title());
        root.put("date", Instant.ofEpochMilli(report.epochMillis()).toString());
        root.put("version", report.version());
        host(root.putObject("host"), report.host());
        texts(root.putObject("programs"), report.programs());
        texts(root.putObject("parameters"), report.parameters());
        texts(root.putObject("subjects"), report.subjects());
        texts(root.putObject("parts"), report.parts());
        report.caveats().forEach(root.putArray("caveats")::add);
        ArrayNode rows = root.putArray("rows");
        report.rows().forEach(row -> row(rows.addObject(), report, row));
        return root;
    }

    private static void host(ObjectNode node, HostFacts host) {
        node.put("cpu", host.cpu());
        node.put("processors", host.processors());
        node.put("memory_bytes", host.memoryBytes());
        node.put("kernel", host.kernel());
        node.put("file_system", host.fileSystem());
        node.put("jdk", host.jdk());
        node.put("load", host.load());
    }

    private static void texts(ObjectNode node, Map<String, String> texts) {
        texts.forEach(node::put);
    }

    private static void row(ObjectNode node, Report report, Row row) {
        node.put("part", row.part());
        node.put("workload", row.workload());
        node.put("subject", row.subject());
        node.put("depth", row.depth());
        node.put("block_bytes", row.blockBytes());
        ArrayNode values = node.putArray("values");
        row.measures().forEach(measure -> measure(values.addObject(), measure));
        ArrayNode compared = node.putArray("compared");
        for (Baseline baseline : row.baselines()) {
            if (report.baseline(row, baseline).isPresent()) {
                compared(compared.addObject(), report, row, baseline);
            }
        }
    }

    private static void measure(ObjectNode node, Measure measure) {
        node.put("name", measure.name());
        node.put("unit", measure.unit().symbol());
        node.put("better", measure.higherIsBetter() ? "higher" : "lower");
        spread(node, measure.spread());
        if (measure.target().isPresent()) {
            node.put("target", measure.target().getAsDouble());
            node.put("target_met", measure.isTargetMet());
        }
    }

    private static void compared(ObjectNode node, Report report, Row row, Baseline baseline) {
        node.put("baseline", baseline.subject());
        node.put("workload", baseline.workload());
        ArrayNode ratios = node.putArray("ratios");
        for (Measure measure : row.measures()) {
            report.ratio(row, baseline, measure)
                    .ifPresent(
                            ratio -> {
                                ObjectNode each = ratios.addObject();
                                each.put("value", measure.name());
                                spread(each, ratio);
                            });
        }
    }

    private static void spread(ObjectNode node, Spread spread) {
        node.put("min", spread.min());
        node.put("median", spread.median());
        node.put("max", spread.max());
        spread.rounds().forEach(node.putArray("rounds")::add);
    }
}
