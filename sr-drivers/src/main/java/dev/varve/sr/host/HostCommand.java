// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Waiting;

import org.apache.commons.io.IOUtils;
import org.apache.commons.io.input.BoundedInputStream;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A program of the host, run with a list of arguments and never through a shell, in the C locale,
 * with nothing to read and a time to be done in.
 *
 * <p><b>Threads:</b> any that may wait: the caller waits until the program has ended.
 *
 * @param program its name, without a directory
 * @param debianPackage the package that brings it, for the message when it is not installed
 * @param seconds how long it may take
 */
public record HostCommand(String program, String debianPackage, long seconds) {
    /** How much of each stream is kept; what comes after it is read and dropped. */
    static final int OUTPUT_BYTES = 1 << 20;

    private static final List<String> DIRECTORIES =
            List.of("/usr/sbin", "/usr/bin", "/sbin", "/bin");
    private static final int LAST_LINES = 3;

    /**
     * What a program left behind.
     *
     * @param status its exit status
     * @param output what it printed, up to a mebibyte
     * @param errors what it printed to its error stream, up to a mebibyte
     */
    public record Result(int status, String output, String errors) {
        /** The last lines that the program printed, in one line, for a message. */
        public String lastLines() {
            String text = errors.isBlank() ? output : errors;
            List<String> lines =
                    text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
            int first = Math.max(0, lines.size() - LAST_LINES);
            return lines.isEmpty() ? "" : String.join("; ", lines.subList(first, lines.size()));
        }
    }

    /**
     * Runs it, whatever its exit status will be.
     *
     * @throws StorageException with the given code when it is not installed, cannot be started or
     *     does not end in time
     */
    public Result run(ErrorCode code, List<String> arguments) {
        Process process = start(code, arguments);
        CompletableFuture<String> output = read(process.getInputStream());
        CompletableFuture<String> errors = read(process.getErrorStream());
        CompletableFuture<Result> result =
                process.onExit()
                        .thenCombine(
                                output, (ended, text) -> new Result(ended.exitValue(), text, ""))
                        .thenCombine(
                                errors,
                                (ended, text) -> new Result(ended.status(), ended.output(), text));
        try {
            return Waiting.threads().await(result, TimeUnit.SECONDS.toNanos(seconds));
        } catch (TimeoutException e) {
            process.destroyForcibly();
            throw code.because(
                    program + " did not end within " + seconds + " seconds and was killed", e);
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw code.because(program + " was interrupted and killed", e);
        } catch (ExecutionException e) {
            process.destroyForcibly();
            throw code.because("cannot read what " + program + " prints: " + e.getCause(), e);
        }
    }

    /**
     * Runs it; it has to succeed.
     *
     * @param purpose what it is run for, as in "cannot PURPOSE"
     * @throws StorageException with the given code and the last lines that the program printed
     */
    public Result require(ErrorCode code, String purpose, List<String> arguments) {
        Result result = run(code, arguments);
        if (result.status() != 0) {
            throw failed(code, purpose, result);
        }
        return result;
    }

    /** The exception for a result that is a failure. */
    public StorageException failed(ErrorCode code, String purpose, Result result) {
        return code.because(
                "cannot %s: %s ended with status %d: %s"
                        .formatted(purpose, program, result.status(), result.lastLines()));
    }

    private Process start(ErrorCode code, List<String> arguments) {
        List<String> words = new ArrayList<>();
        words.add(find(code).toString());
        words.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(words);
        builder.environment().clear();
        builder.environment().putAll(Map.of("LC_ALL", "C", "PATH", String.join(":", DIRECTORIES)));
        try {
            Process process = builder.start();
            process.getOutputStream().close();
            return process;
        } catch (IOException e) {
            throw code.because("cannot start " + program + ": " + e.getMessage(), e);
        }
    }

    private Path find(ErrorCode code) {
        Optional<Path> found =
                DIRECTORIES.stream()
                        .map(directory -> Path.of(directory, program))
                        .filter(Files::isExecutable)
                        .findFirst();
        return found.orElseThrow(
                () ->
                        code.because(
                                "the program %s is not installed; install the package %s"
                                        .formatted(program, debianPackage)));
    }

    private static CompletableFuture<String> read(InputStream stream) {
        CompletableFuture<String> text = new CompletableFuture<>();
        Waiting.threads()
                .start(
                        "host-command",
                        () -> {
                            try {
                                text.complete(readBounded(stream));
                            } catch (IOException | RuntimeException | Error e) {
                                text.completeExceptionally(e);
                            }
                        });
        return text;
    }

    /** The rest is read too: a program that cannot print any more would never end. */
    static String readBounded(InputStream stream) throws IOException {
        try (stream) {
            BoundedInputStream bounded =
                    BoundedInputStream.builder()
                            .setInputStream(stream)
                            .setMaxCount(OUTPUT_BYTES)
                            .setPropagateClose(false)
                            .get();
            String text = IOUtils.toString(bounded, StandardCharsets.UTF_8);
            IOUtils.consume(stream);
            return text;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }
}
