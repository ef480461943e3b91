// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The memory of a process, as the kernel counts it. */
final class ProcessMemory {
    private ProcessMemory() {}

    /** How much of its memory is really there, in bytes. */
    static long residentBytes(long pid) throws IOException {
        Path status = Path.of("/proc", Long.toString(pid), "status");
        return resident(Files.readString(status, StandardCharsets.UTF_8));
    }

    static long resident(String status) throws IOException {
        return status.lines()
                .filter(line -> line.startsWith("VmRSS:"))
                .map(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                .findFirst()
                .orElseThrow(() -> new IOException("the process has ended"));
    }
}
