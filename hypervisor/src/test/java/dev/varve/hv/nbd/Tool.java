// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs a real program and gives back what it printed. */
public final class Tool {
    /** What a program printed, both streams together, and its exit status. */
    public record Result(int status, String output) {}

    private Tool() {}

    /** Skips the test, naming the program, when it is not installed. */
    public static void require(String... names) {
        for (String name : names) {
            boolean there =
                    List.of("/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin").stream()
                            .anyMatch(dir -> Files.isExecutable(Path.of(dir, name)));
            assumeTrue(there, "needs the program " + name);
        }
    }

    /** Runs a program that has to succeed. */
    public static String run(String... command) throws IOException, InterruptedException {
        Result result = tryRun(command);
        if (result.status != 0) {
            throw new AssertionError(
                    String.join(" ", command)
                            + " ended with "
                            + result.status
                            + ":\n"
                            + result.output);
        }
        return result.output;
    }

    /** Runs a program that may fail. */
    public static Result tryRun(String... command) throws IOException, InterruptedException {
        Path output = Files.createTempFile("tool", ".out");
        try {
            Process process =
                    new ProcessBuilder(command)
                            .directory(output.getParent().toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(output.toFile())
                            .start();
            if (!process.waitFor(120, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError(
                        String.join(" ", command) + " hangs:\n" + Files.readString(output));
            }
            return new Result(
                    process.exitValue(), Files.readString(output, StandardCharsets.UTF_8));
        } finally {
            Files.delete(output);
        }
    }
}
