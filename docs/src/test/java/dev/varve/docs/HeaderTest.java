// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.List;

/** Every source file says in its first lines under which licence it is. */
class HeaderTest {
    private static final String HEADER =
            "Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.";

    /** Whether a line says it, as a comment of any kind. */
    static boolean isHeader(String line) {
        return line.endsWith(HEADER);
    }

    @Test
    void javaFilesBeginWithTheHeader() {
        List<String> wrong =
                Tree.javaFiles().stream()
                        .filter(file -> !Tree.read(file).startsWith("// " + HEADER + "\n"))
                        .map(Tree::name)
                        .toList();
        assertEquals(List.of(), wrong);
    }

    @Test
    void scriptsHaveTheHeaderAfterTheirInterpreter() {
        for (String script :
                List.of("varve", "xe", ".ci/run", ".ci/launcher-test", ".ci/completion-test")) {
            String text = Tree.read(Tree.root().resolve(script));
            assertTrue(text.lines().skip(1).findFirst().orElse("").equals("# " + HEADER), script);
        }
    }
}
