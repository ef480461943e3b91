// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The machine that a benchmark ran on.
 *
 * @param cpu the model of its processors
 * @param processors how many of them the JVM may use
 * @param memoryBytes its memory
 * @param fileSystem the type of the file system that was measured
 * @param load how many threads wanted to run during the minute before
 */
public record HostFacts(
        String cpu,
        int processors,
        long memoryBytes,
        String kernel,
        String fileSystem,
        String jdk,
        double load) {
    /**
     * Looks at this machine.
     *
     * @param measured a directory on the file system that is measured
     */
    public static HostFacts read(Path measured) throws IOException {
        return new HostFacts(
                cpu(Files.readString(Path.of("/proc/cpuinfo"), StandardCharsets.UTF_8)),
                Runtime.getRuntime().availableProcessors(),
                memory(Files.readString(Path.of("/proc/meminfo"), StandardCharsets.UTF_8)),
                System.getProperty("os.name") + " " + System.getProperty("os.version"),
                Files.getFileStore(measured).type(),
                System.getProperty("java.vm.vendor") + " " + Runtime.version(),
                ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
    }

    /** Processors of some kinds have no model name; the architecture has to do then. */
    static String cpu(String cpuinfo) {
        return cpuinfo.lines()
                .filter(line -> line.startsWith("model name"))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse(System.getProperty("os.arch"));
    }

    static long memory(String meminfo) {
        return meminfo.lines()
                .filter(line -> line.startsWith("MemTotal:"))
                .map(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                .findFirst()
                .orElse(0L);
    }
}
