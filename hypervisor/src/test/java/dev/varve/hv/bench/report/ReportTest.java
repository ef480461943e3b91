// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import javax.xml.parsers.DocumentBuilderFactory;

final class ReportTest {
    /** A width that no letter of a usual font exceeds on the average, for its size. */
    private static final double LETTER = 0.62;

    private static final HostFacts HOST =
            new HostFacts("Some <CPU> & more", 2, 4L << 30, "Linux 6", "ext4", "A 25", 0.5);

    @TempDir Path directory;
    private final List<Row> seen = new ArrayList<>();

    private Report report() {
        Report.Builder builder = new Report.Builder("nbd", "disks", 0, "1.0", HOST, seen::add);
        builder.parameter("seconds", 5).program("fio", "fio-3");
        builder.subject("varve", "ours").subject("qemu-nbd <raw>", "theirs");
        builder.part("written", "Reads & writes").part("empty", "Nothing was measured");
        builder.caveat("another load on the machine " + "and so on ".repeat(20));
        for (String workload : List.of("4k read, depth 1", "4k read, depth 32")) {
            builder.row(
                    Row.of(
                                    "written",
                                    workload,
                                    "varve",
                                    Measure.rate("requests", Spread.of(100, 300, 200)).target(150),
                                    Measure.cost("p99", Unit.MICROSECONDS, Spread.of(9, 7, 8)))
                            .load(32, 4096)
                            .versus("qemu-nbd <raw>")
                            .versus("nobody"));
            builder.row(
                    Row.of(
                            "written",
                            workload,
                            "qemu-nbd <raw>",
                            Measure.rate("requests", Spread.of(50, 100, 400))));
        }
        return builder.build();
    }

    @Test
    void spreadKnowsItsMiddle() {
        assertEquals(2, Spread.of(3, 1, 2).median());
        assertEquals(2.5, Spread.of(4, 1, 2, 3).median());
        assertEquals(1, Spread.of(3, 1, 2).min());
        assertEquals(3, Spread.of(3, 1, 2).max());
        assertThrows(IllegalArgumentException.class, Spread::of);
    }

    /** The machine became faster from round to round: medians of all rounds would not show 2. */
    @Test
    void ratiosAreTakenRoundByRound() {
        Spread ratio = Spread.of(100, 200, 900).ratioTo(Spread.of(50, 100, 300));
        assertEquals(List.of(2.0, 2.0, 3.0), ratio.rounds());
        assertEquals(List.of(2.0), Spread.of(100, 200, 300).ratioTo(Spread.of(100)).rounds());
    }

    @Test
    void refusesRowsOfSubjectsThatNobodyExplained() {
        Report.Builder builder = new Report.Builder("nbd", "disks", 0, "1.0", HOST, seen::add);
        builder.part("a", "A");
        Row row = Row.of("a", "w", "somebody", Measure.rate("requests", Spread.of(1)));
        assertThrows(IllegalArgumentException.class, () -> builder.row(row));
    }

    @Test
    void tellsOfProgress() {
        assertEquals(report().rows(), seen);
    }

    @Test
    void jsonHasRowsWithBaselinesAndSpread() throws IOException {
        new JsonWriter().write(report(), directory);
        JsonNode root = new ObjectMapper().readTree(directory.resolve("result.json").toFile());
        assertEquals("1970-01-01T00:00:00Z", root.at("/date").asText());
        assertEquals("Some <CPU> & more", root.at("/host/cpu").asText());
        assertEquals("5", root.at("/parameters/seconds").asText());
        assertEquals(1, root.at("/caveats").size());
        JsonNode row = root.at("/rows/0");
        assertEquals(4096, row.at("/block_bytes").asLong());
        assertEquals(200, row.at("/values/0/median").asDouble());
        assertEquals("1/s", row.at("/values/0/unit").asText());
        assertTrue(row.at("/values/0/target_met").asBoolean());
        assertEquals("lower", row.at("/values/1/better").asText());
        assertEquals(1, row.at("/compared").size(), "who was not measured is not compared with");
        assertEquals("qemu-nbd <raw>", row.at("/compared/0/baseline").asText());
        assertEquals(2, row.at("/compared/0/ratios/0/median").asDouble());
        assertEquals(0.5, row.at("/compared/0/ratios/0/min").asDouble());
    }

    @Test
    void tableHasFiguresRatiosAndCaveats() {
        String table = TableWriter.text(report());
        assertTrue(table.contains("2.00 (0.50..3.00) x qemu-nbd <raw>; target 150 1/s met"), table);
        assertTrue(table.contains("what would make these numbers wrong"), table);
        assertFalse(table.contains("Nothing was measured"), table);
        assertTrue(table.lines().allMatch(line -> line.length() < 130), table);
    }

    @Test
    void plotIsWellFormedAndHasItsTexts() throws Exception {
        Document svg = plot();
        assertEquals("img", svg.getDocumentElement().getAttribute("role"));
        assertEquals("Reads & writes", text(svg, "title", 0));
        assertTrue(text(svg, "desc", 0).contains("varve 200 1/s, 2.00 x qemu-nbd <raw>"));
        assertEquals("requests per second; longer is better", texts(svg).get(1).getTextContent());
        assertEquals(4, count(svg, "rect", "bar") + count(svg, "rect", "reference"));
        assertEquals(2, count(svg, "rect", "reference"));
        assertEquals(2, count(svg, "line", "level"));
        assertFalse(Files.exists(directory.resolve("empty.svg")));
        String source = Files.readString(directory.resolve("written.svg"));
        assertFalse(source.substring(source.indexOf("viewBox")).contains("http"), "from elsewhere");
        assertFalse(source.contains("<script"));
    }

    @Test
    void textsOfAPlotDoNotMeetAndStayInside() throws Exception {
        Document svg = plot();
        double width = Double.parseDouble(svg.getDocumentElement().getAttribute("width"));
        double height = Double.parseDouble(svg.getDocumentElement().getAttribute("height"));
        List<double[]> boxes = texts(svg).stream().map(ReportTest::box).toList();
        assertTrue(boxes.size() > 10);
        for (int i = 0; i < boxes.size(); i++) {
            double[] a = boxes.get(i);
            String text = texts(svg).get(i).getTextContent();
            assertTrue(a[2] <= width && a[3] <= height, text);
            for (double[] b : boxes.subList(0, i)) {
                boolean meet = a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
                assertFalse(meet, text);
            }
        }
    }

    private Document plot() throws Exception {
        new SvgWriter().write(report(), directory);
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(directory.resolve("written.svg").toFile());
    }

    private static List<Element> texts(Document svg) {
        NodeList nodes = svg.getElementsByTagName("text");
        List<Element> texts = new ArrayList<>();
        for (int i = 0; i < nodes.getLength(); i++) {
            texts.add((Element) nodes.item(i));
        }
        return texts;
    }

    private static String text(Document svg, String tag, int index) {
        return svg.getElementsByTagName(tag).item(index).getTextContent();
    }

    private static long count(Document svg, String tag, String kind) {
        NodeList nodes = svg.getElementsByTagName(tag);
        long count = 0;
        for (int i = 0; i < nodes.getLength(); i++) {
            count += ((Element) nodes.item(i)).getAttribute("class").equals(kind) ? 1 : 0;
        }
        return count;
    }

    /** Left, top, right, bottom. */
    private static double[] box(Element text) {
        double size =
                switch (text.getAttribute("class")) {
                    case "title" -> 17;
                    case "small" -> 12;
                    default -> 13;
                };
        double x = Double.parseDouble(text.getAttribute("x"));
        double y = Double.parseDouble(text.getAttribute("y"));
        double wide = text.getTextContent().length() * size * LETTER;
        return new double[] {x, y - size, x + wide, y + size / 4};
    }
}
