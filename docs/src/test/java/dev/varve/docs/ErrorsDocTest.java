// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * The table in {@code docs/errors.md} is made from {@link ErrorCode}: {@code varve format}. Its
 * last column, what to do, is written by hand and kept.
 */
class ErrorsDocTest {
    private static final GeneratedPart TABLE = GeneratedPart.ofPage("docs/errors.md");
    private static final String NOTHING_SAID = "—";
    private static final int COLUMNS = 5;

    @Test
    void pageListsAllErrors() {
        TABLE.mustBe(table(remedies()));
    }

    @Test
    void namesOnTheWireAreUnique() {
        Set<String> names = new HashSet<>();
        for (ErrorCode code : ErrorCode.values()) {
            assertTrue(names.add(code.wireName()), code.wireName());
            assertTrue(code.meaning().endsWith("."), code.wireName());
        }
    }

    /** What the page says now about what to do, by code. */
    private static Map<String, String> remedies() {
        Map<String, String> remedies = new HashMap<>();
        TABLE.text()
                .lines()
                .filter(line -> line.startsWith("| `"))
                .forEach(
                        line -> {
                            String[] cells = line.split("(?<!\\\\)\\|", -1);
                            assertEquals(COLUMNS + 2, cells.length, line);
                            remedies.put(cells[1].strip(), cells[COLUMNS].strip());
                        });
        return remedies;
    }

    private static String table(Map<String, String> remedies) {
        StringBuilder table =
                new StringBuilder(
                        """

                        | code | name here | parameters | meaning | what to do |
                        |---|---|---|---|---|
                        """);
        for (ErrorCode code : ErrorCode.values()) {
            String wire = "`" + code.wireName() + "`";
            String name = code.isBackendFailure() ? "`" + code.name() + "`" : "";
            table.append("| ").append(wire).append(" | ").append(name).append(" | ");
            table.append(code.parameters().size()).append(": ");
            table.append(String.join(", ", code.parameters())).append(" | ");
            table.append(code.meaning().replace("|", "\\|")).append(" | ");
            table.append(remedies.getOrDefault(wire, NOTHING_SAID)).append(" |\n");
        }
        return table.append('\n').toString();
    }
}
