// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A strict reader of the text format of Prometheus: every family has one HELP and one TYPE before
 * its samples, which stand together; no sample comes twice; buckets of histograms grow up to the
 * count.
 */
final class Exposition {
    private static final Pattern HELP = Pattern.compile("# HELP ([a-z_]+) (\\S.*)");
    private static final Pattern TYPE =
            Pattern.compile("# TYPE ([a-z_]+) (counter|gauge|histogram)");
    private static final Pattern SAMPLE =
            Pattern.compile("([a-z_]+)(?:\\{([^{}]*)\\})? ([-+.0-9Ee]+|\\+Inf)");
    private static final Pattern LABEL = Pattern.compile("([a-z_]+)=\"([^\"\\\\\n]*)\"");
    private static final List<String> HISTOGRAM_ENDS = List.of("_bucket", "_count", "_sum");

    /** A number with its labels. */
    record Sample(String name, Map<String, String> labels, double value) {}

    /** All numbers of one name. */
    record Family(String name, String type, List<Sample> samples) {}

    private final Map<String, Family> families = new LinkedHashMap<>();

    Exposition(String text) {
        if (!text.endsWith("\n")) {
            throw new AssertionError("the last line has no end");
        }
        Family current = null;
        String helped = null;
        Set<Sample> seen = new HashSet<>();
        for (String line : text.lines().toList()) {
            Matcher help = HELP.matcher(line);
            Matcher type = TYPE.matcher(line);
            if (help.matches()) {
                helped = help.group(1);
            } else if (type.matches()) {
                String name = type.group(1);
                require(name.equals(helped), "TYPE follows HELP", line);
                current = new Family(name, type.group(2), new ArrayList<>());
                require(families.put(name, current) == null, "a family comes once", line);
            } else {
                Sample sample = sample(line);
                require(current != null && belongs(sample, current), "its family is open", line);
                require(
                        seen.add(new Sample(sample.name(), sample.labels(), 0)),
                        "a sample comes once",
                        line);
                current.samples().add(sample);
            }
        }
        families.values().stream().filter(f -> f.type().equals("histogram")).forEach(this::buckets);
    }

    private static void require(boolean holds, String rule, String line) {
        if (!holds) {
            throw new AssertionError(rule + ": " + line);
        }
    }

    private static boolean belongs(Sample sample, Family family) {
        return family.type().equals("histogram")
                ? HISTOGRAM_ENDS.stream().anyMatch(e -> sample.name().equals(family.name() + e))
                : sample.name().equals(family.name());
    }

    private static Sample sample(String line) {
        Matcher sample = SAMPLE.matcher(line);
        require(sample.matches(), "a sample", line);
        Map<String, String> labels = new TreeMap<>();
        if (sample.group(2) != null) {
            for (String part : sample.group(2).split(",", -1)) {
                Matcher label = LABEL.matcher(part);
                require(label.matches(), "a label", line);
                labels.put(label.group(1), label.group(2));
            }
        }
        return new Sample(sample.group(1), labels, Double.parseDouble(sample.group(3)));
    }

    private void buckets(Family family) {
        Map<Map<String, String>, Double> last = new LinkedHashMap<>();
        for (Sample sample : family.samples()) {
            Map<String, String> labels = new TreeMap<>(sample.labels());
            labels.remove("le");
            if (sample.name().endsWith("_bucket")) {
                Double before = last.put(labels, sample.value());
                require(before == null || before <= sample.value(), "buckets grow", sample.name());
            } else if (sample.name().endsWith("_count")) {
                require(last.get(labels) == sample.value(), "the last is all", sample.name());
            }
        }
    }

    Map<String, Family> families() {
        return families;
    }

    /** The sum of all samples of a name that have these labels among theirs. */
    double sum(String name, Map<String, String> labels) {
        return families.values().stream()
                .flatMap(family -> family.samples().stream())
                .filter(sample -> sample.name().equals(name))
                .filter(sample -> sample.labels().entrySet().containsAll(labels.entrySet()))
                .mapToDouble(Sample::value)
                .sum();
    }
}
