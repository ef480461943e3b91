// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A file as a block device; needs root. */
final class LoopDevice implements AutoCloseable {
    private static final int SECONDS = 10;

    private final Programs programs;
    private final Path file;
    private final String node;

    /** A new device on a new file, of which nothing takes space yet. */
    LoopDevice(Programs programs, Path file, long sizeBytes)
            throws IOException, InterruptedException {
        this.programs = programs;
        this.file = file;
        try (RandomAccessFile made = new RandomAccessFile(file.toString(), "rw")) {
            made.setLength(sizeBytes);
        }
        node =
                programs.run(
                                List.of(
                                        "losetup",
                                        "--find",
                                        "--show",
                                        "--direct-io=on",
                                        file.toString()),
                                SECONDS)
                        .strip();
    }

    /** Its name under {@code /dev}. */
    String node() {
        return node;
    }

    @Override
    public void close() throws IOException {
        try {
            programs.run(List.of("losetup", "--detach", node), SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Files.delete(file);
    }
}
