// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The source tree that the tests of this module look at. */
final class Tree {
    /** The modules with code, in the order in which they are built. */
    static final List<String> MODULES =
            List.of(
                    "vdi-engine",
                    "sr-drivers",
                    "intellicache",
                    "migration",
                    "hypervisor",
                    "fuzz",
                    "docs");

    private Tree() {}

    static Path root() {
        return Path.of(System.getProperty("varve.root")).toAbsolutePath().normalize();
    }

    /** Whether files that are not as they must be are to be written anew. */
    static boolean isFixing() {
        return Boolean.getBoolean("varve.fix");
    }

    /** All Java sources of all modules. */
    static List<Path> javaFiles() {
        return MODULES.stream()
                .map(module -> root().resolve(module).resolve("src"))
                .filter(Files::isDirectory)
                .flatMap(source -> files(source, ".java").stream())
                .toList();
    }

    /** The pages: those of the root and those under docs. */
    static List<Path> pages() {
        try (Stream<Path> top = Files.list(root())) {
            List<Path> here = top.filter(file -> file.toString().endsWith(".md")).toList();
            return Stream.concat(here.stream(), files(root().resolve("docs"), ".md").stream())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Path> files(Path directory, String suffix) {
        try (Stream<Path> all = Files.walk(directory)) {
            return all.filter(file -> file.toString().endsWith(suffix))
                    .filter(file -> !file.toString().contains("/target/"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String name(Path file) {
        return root().relativize(file).toString();
    }
}
