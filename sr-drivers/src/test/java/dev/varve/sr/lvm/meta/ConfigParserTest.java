// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** The configuration text of LVM2, its words and its limits. */
class ConfigParserTest {
    private static ConfigNode.Section parse(String text) {
        return ConfigParser.parse(text.getBytes(StandardCharsets.ISO_8859_1), "disk");
    }

    private static ConfigNode value(String text) {
        return parse("a=" + text).entries().get("a");
    }

    @Test
    void readsValues() {
        assertEquals(new ConfigNode.Whole(12), value("12"));
        assertEquals(new ConfigNode.Whole(-1), value("-1 # less"));
        assertEquals(new ConfigNode.Whole(Long.MAX_VALUE), value("9223372036854775807"));
        assertEquals(new ConfigNode.Real("0.50"), value("0.50"));
        assertEquals(new ConfigNode.Text("a\"b\\c"), value("\"a\\\"b\\\\c\""));
        assertEquals(new ConfigNode.Text("a\\\"b"), value("'a\\\"b'"));
        assertEquals(new ConfigNode.Text("# no comment\n{"), value("\"# no comment\n{\""));
        assertEquals(new ConfigNode.Array(List.of()), value("[]"));
        assertEquals(
                new ConfigNode.Array(List.of(new ConfigNode.Text("pv0"), new ConfigNode.Whole(3))),
                value("[ # first\n\"pv0\", 3,\n]"));
    }

    @Test
    void readsSectionsAndStopsAtAZeroByte() {
        ConfigNode.Section section = parse("a{b=1}c {\n d{} }\0}garbage");
        assertEquals(List.of("a", "c"), List.copyOf(section.entries().keySet()));
    }

    @Test
    void writesWhatItReads() {
        String text = "a = [1, \"x\\\\\\\"\u00e9\"]\nb {\nc = -3\n\"d e\" = 0.5\n}\n";
        byte[] written = new ConfigWriter().putAll(parse(text).entries()).bytes();
        assertArrayEquals(text.getBytes(StandardCharsets.ISO_8859_1), written);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "a           | is followed by neither",
                "a =         | ends where a value should be",
                "a = [1      | neither ',' nor ']'",
                "a = [1 2]   | neither ',' nor ']'",
                "a = [       | ends where a value should be",
                "a = [[1]]   | neither a number nor a string",
                "a = {}      | neither a number nor a string",
                "a = 1x      | neither a number nor a string",
                "a = -       | neither a number nor a string",
                "a = .       | neither a number nor a string",
                "a = \"x     | a string does not end",
                "a = \"x\\\" | a string does not end",
                "a { b = 1   | the section 'a' does not end",
                "a = 1 }     | '}' ends no section",
                "a = 1 a = 2 | 'a' comes twice",
                "= 1         | no key begins with '='",
                "a = 99999999999999999999 | is too large",
            })
    void refusesWhatIsNoText(String text, String reason) {
        StorageException refused = assertFails(ErrorCode.SR_METADATA, () -> parse("\n\n" + text));
        assertTrue(refused.sentence().contains(reason), refused.sentence());
        assertTrue(refused.sentence().contains("disk is damaged at line 3"), refused.sentence());
    }

    @Test
    void refusesTextsWithoutMeasure() {
        int depth = ConfigParser.MAXIMUM_DEPTH;
        parse("a{".repeat(depth) + "}".repeat(depth));
        String deeper = "a{".repeat(100_000);
        StorageException deep = assertFails(ErrorCode.SR_METADATA, () -> parse(deeper));
        assertTrue(deep.sentence().contains("nested"), deep.sentence());
        String longer = "a=[" + "1,".repeat(ConfigParser.MAXIMUM_ENTRIES) + "]";
        StorageException many = assertFails(ErrorCode.SR_METADATA, () -> parse(longer));
        assertTrue(many.sentence().contains("more than"), many.sentence());
    }
}
