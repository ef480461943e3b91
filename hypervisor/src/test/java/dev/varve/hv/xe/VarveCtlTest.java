// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The commands of the launcher in a process of their own, which has no terminal. */
final class VarveCtlTest {
    @TempDir Path home;

    private String passwd(String input) throws Exception {
        String modules = System.getProperty("jdk.module.path");
        String classes = System.getProperty("java.class.path");
        ProcessBuilder builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        modules == null ? classes : modules + ":" + classes,
                        VarveCtl.class.getName(),
                        "passwd");
        builder.environment().put("VARVE_HOME", home.toString());
        builder.redirectErrorStream(true);
        Process process = builder.start();
        try (OutputStream to = process.getOutputStream()) {
            to.write(input.getBytes(StandardCharsets.UTF_8));
        }
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(1, process.waitFor(), said);
        return said;
    }

    @Test
    void takesANewPasswordFromAPipe() throws Exception {
        String said = passwd("a password\n");
        assertTrue(said.startsWith("no daemon is running under " + home), said);
    }

    @Test
    void saysThatNoPasswordCame() throws Exception {
        String said = passwd("");
        assertTrue(said.startsWith("no password came;"), said);
    }
}
