// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A load that fio makes, and the command lines for it.
 *
 * @param name how the workload is called
 * @param rw what fio calls the pattern
 * @param blockBytes bytes for each request
 * @param depth requests in flight
 */
record FioJob(String name, String rw, int blockBytes, int depth) {
    static final FioJob READ_1 = new FioJob("4k read, depth 1", "randread", 4 << 10, 1);
    static final FioJob READ_32 = new FioJob("4k read, depth 32", "randread", 4 << 10, 32);

    static final List<FioJob> ALL =
            List.of(
                    READ_1,
                    READ_32,
                    new FioJob("1m read, depth 8", "read", 1 << 20, 8),
                    new FioJob("4k write, depth 1", "randwrite", 4 << 10, 1),
                    new FioJob("4k write, depth 32", "randwrite", 4 << 10, 32),
                    new FioJob("1m write, depth 8", "write", 1 << 20, 8));

    boolean isWrite() {
        return rw.contains("write");
    }

    /** The command that loads an NBD export. */
    List<String> onNbd(String uri, int seconds) {
        return command(List.of("--ioengine=nbd", "--uri=" + uri), seconds);
    }

    /** The command that loads a file, past the page cache. */
    List<String> onFile(Path file, int seconds) {
        return command(List.of("--ioengine=io_uring", "--direct=1", "--filename=" + file), seconds);
    }

    private List<String> command(List<String> target, int seconds) {
        List<String> command = new ArrayList<>(List.of("fio", "--name=bench"));
        command.addAll(target);
        command.addAll(
                List.of(
                        "--rw=" + rw,
                        "--bs=" + blockBytes,
                        "--iodepth=" + depth,
                        "--size=1g",
                        "--time_based",
                        "--runtime=" + seconds,
                        "--randrepeat=0",
                        "--norandommap",
                        "--output-format=json"));
        return command;
    }

    /** The command that writes a whole gibibyte to an NBD export. */
    static List<String> fill(String uri) {
        return List.of(
                "fio",
                "--name=fill",
                "--ioengine=nbd",
                "--uri=" + uri,
                "--rw=write",
                "--bs=1m",
                "--iodepth=8",
                "--size=1g");
    }
}
