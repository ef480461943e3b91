// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The same services are found on the module path, where tests run, and on the class path, where the
 * daemon runs.
 */
class ServicesTest {
    @Test
    void modulesProvideWhatTheirServiceFilesName() throws IOException {
        int found = 0;
        for (String module : Tree.MODULES) {
            Path classes = Tree.root().resolve(module).resolve("target/classes");
            if (Files.exists(classes.resolve("module-info.class"))) {
                Map<String, List<String>> provided = provided(classes);
                assertEquals(provided, named(classes.resolve("META-INF/services")), module);
                found += provided.size();
            }
        }
        assertTrue(found > 0, "no service was found");
    }

    private static Map<String, List<String>> provided(Path classes) throws IOException {
        Map<String, List<String>> provided = new TreeMap<>();
        try (InputStream in = Files.newInputStream(classes.resolve("module-info.class"))) {
            for (ModuleDescriptor.Provides provides : ModuleDescriptor.read(in).provides()) {
                provided.put(provides.service(), provides.providers().stream().sorted().toList());
            }
        }
        return provided;
    }

    private static Map<String, List<String>> named(Path services) throws IOException {
        Map<String, List<String>> named = new TreeMap<>();
        if (!Files.isDirectory(services)) {
            return named;
        }
        try (Stream<Path> files = Files.list(services)) {
            for (Path file : files.toList()) {
                named.put(
                        file.getFileName().toString(),
                        Tree.read(file)
                                .lines()
                                .map(line -> line.replaceFirst("#.*", "").strip())
                                .filter(line -> !line.isEmpty())
                                .sorted()
                                .toList());
            }
        }
        return named;
    }
}
