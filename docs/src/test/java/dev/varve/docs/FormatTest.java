// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.FormatterException;
import com.google.googlejavaformat.java.JavaFormatterOptions;
import com.google.googlejavaformat.java.StringWrapper;

import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Every source file is as google-java-format leaves it, in AOSP style: {@code varve format}. */
class FormatTest {
    private final Formatter formatter =
            new Formatter(
                    JavaFormatterOptions.builder().style(JavaFormatterOptions.Style.AOSP).build());

    @Test
    void sourcesAreFormatted() throws FormatterException {
        List<Path> files = Tree.javaFiles();
        assertFalse(files.isEmpty());
        List<String> wrong = new ArrayList<>();
        for (Path file : files) {
            String text = Tree.read(file);
            String formatted = format(text);
            if (!formatted.equals(text)) {
                if (Tree.isFixing()) {
                    Tree.write(file, formatted);
                } else {
                    wrong.add(Tree.name(file));
                }
            }
        }
        assertEquals(List.of(), wrong, "run ./varve format");
    }

    @Test
    void seesWhatIsNotFormatted() throws FormatterException {
        assertEquals("class A {}\n", format("class  A\n{\n}"));
    }

    private String format(String text) throws FormatterException {
        return StringWrapper.wrap(formatter.formatSourceAndFixImports(text), formatter);
    }
}
