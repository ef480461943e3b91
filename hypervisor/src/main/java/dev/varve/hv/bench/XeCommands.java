// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The command lines of the client, as the launcher starts it.
 *
 * @param java the program of the JVM with the flags that the launcher gives the client
 * @param jar the only jar that the client needs
 * @param cache the classes of the client, prepared by the launcher
 * @param script the launcher {@code xe}
 */
record XeCommands(List<String> java, Path jar, Path cache, Path script) {
    private static final String FLAGS = "varve.client.flags";
    private static final String LIB = "varve.client.lib";
    private static final String SCRIPT = "varve.client.script";

    /** Copies the list. */
    XeCommands {
        java = List.copyOf(java);
    }

    /**
     * What the launcher that started this program says.
     *
     * @throws IllegalArgumentException when there was no launcher
     */
    static XeCommands ofLauncher() throws IOException {
        Path lib = Path.of(property(LIB));
        List<String> java = new ArrayList<>();
        java.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        java.addAll(List.of(property(FLAGS).split(" ", -1)));
        try (DirectoryStream<Path> jars = Files.newDirectoryStream(lib, "hypervisor-*.jar")) {
            Path jar = jars.iterator().next();
            return new XeCommands(java, jar, lib.resolve("xe.aot"), Path.of(property(SCRIPT)));
        }
    }

    private static String property(String name) {
        String value = System.getProperty(name);
        if (value == null) {
            throw new IllegalArgumentException(
                    "start it with ./varve bench: " + name + " is unset");
        }
        return value;
    }

    /** A command through the launcher. */
    List<String> script(String command) {
        return List.of(script.toString(), command);
    }

    /** A command through the client itself. */
    List<String> client(String command) {
        List<String> line = jvm("dev.varve.hv.xe.XeMain");
        line.add(command);
        return line;
    }

    /** A JVM that does nothing. */
    List<String> bare() {
        return jvm(BareStart.class.getName());
    }

    private List<String> jvm(String main) {
        List<String> line = new ArrayList<>(java);
        line.addAll(List.of("-XX:AOTCache=" + cache, "-cp", jar.toString(), main));
        return line;
    }
}
