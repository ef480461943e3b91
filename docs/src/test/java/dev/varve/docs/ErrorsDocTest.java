// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;

import java.nio.file.Path;

/** The table in {@code docs/errors.md} is made from {@link ErrorCode}: {@code varve format}. */
class ErrorsDocTest {
    private static final String BEGIN = "<!-- begin of the generated table -->\n";
    private static final String END = "<!-- end of the generated table -->\n";

    @Test
    void pageListsAllErrors() {
        Path page = Tree.root().resolve("docs/errors.md");
        String text = Tree.read(page);
        int begin = text.indexOf(BEGIN) + BEGIN.length();
        int end = text.indexOf(END);
        String wanted = text.substring(0, begin) + table() + text.substring(end);
        if (Tree.isFixing() && !wanted.equals(text)) {
            Tree.write(page, wanted);
            return;
        }
        assertEquals(wanted, text, "run ./varve format");
    }

    private static String table() {
        StringBuilder table =
                new StringBuilder(
                        "\n| code | name here | parameters | meaning |\n|---|---|---|---|\n");
        for (ErrorCode code : ErrorCode.values()) {
            String name = code.isBackendFailure() ? "`" + code.name() + "`" : "";
            table.append("| `").append(code.wireName()).append("` | ").append(name).append(" | ");
            table.append(String.join(", ", code.parameters())).append(" | ");
            table.append(code.meaning().replace("|", "\\|")).append(" |\n");
        }
        return table.append('\n').toString();
    }
}
