// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;

/**
 * The part of a page between two marks, which is made from the program: compared, or written anew
 * by {@code varve format}.
 *
 * @param name of the page, from the root of the tree
 */
record GeneratedPart(String name, String begin, String end) {
    /** The part of a page in Markdown. */
    static GeneratedPart ofPage(String name) {
        return new GeneratedPart(
                name,
                "<!-- begin of the generated part -->\n",
                "<!-- end of the generated part -->\n");
    }

    /** The part of a manual page. */
    static GeneratedPart ofManual(String name) {
        return new GeneratedPart(
                name, ".\\\" begin of the generated part\n", ".\\\" end of the generated part\n");
    }

    private Path file() {
        return Tree.root().resolve(name);
    }

    /** What stands there now. */
    String text() {
        String text = Tree.read(file());
        return text.substring(from(text), to(text));
    }

    private int from(String text) {
        int at = text.indexOf(begin);
        assertTrue(at >= 0, name + " has no begin of its generated part");
        return at + begin.length();
    }

    private int to(String text) {
        int at = text.indexOf(end);
        assertTrue(at >= 0, name + " has no end of its generated part");
        return at;
    }

    /** Fails unless this stands there; writes it when pages are to be renewed. */
    void mustBe(String wanted) {
        String text = Tree.read(file());
        String whole = text.substring(0, from(text)) + wanted + text.substring(to(text));
        if (Tree.isFixing()) {
            if (!whole.equals(text)) {
                Tree.write(file(), whole);
            }
            return;
        }
        assertEquals(whole, text, "run ./varve format");
    }
}
