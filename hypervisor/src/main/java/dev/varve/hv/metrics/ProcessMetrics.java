// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;

/** The process of the daemon and its JVM. */
public final class ProcessMetrics implements MetricSource {
    private static final double MILLIS = 1e3;
    private static final double NANOS = 1e9;
    private static final Path OPEN_FILES = Path.of("/proc/self/fd");

    /** This process. */
    public ProcessMetrics() {}

    @Override
    public void collect(Samples samples) {
        memory(samples);
        for (GarbageCollectorMXBean each : ManagementFactory.getGarbageCollectorMXBeans()) {
            // Both are -1 where a collector does not count them.
            if (each.getCollectionCount() >= 0 && each.getCollectionTime() >= 0) {
                samples.add(Metric.JVM_COLLECTIONS, each.getCollectionCount(), each.getName());
                samples.add(
                        Metric.JVM_COLLECTION_TIME,
                        each.getCollectionTime() / MILLIS,
                        each.getName());
            }
        }
        samples.add(Metric.JVM_THREADS, ManagementFactory.getThreadMXBean().getThreadCount());
        samples.add(
                Metric.PROCESS_START, ManagementFactory.getRuntimeMXBean().getStartTime() / MILLIS);
        ProcessHandle.current()
                .info()
                .totalCpuDuration()
                .map(Duration::toNanos)
                .ifPresent(nanos -> samples.add(Metric.PROCESS_CPU, nanos / NANOS));
        samples.add(Metric.PROCESS_FILES, openFiles());
    }

    private static void memory(Samples samples) {
        MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
        area(samples, "heap", memory.getHeapMemoryUsage());
        area(samples, "nonheap", memory.getNonHeapMemoryUsage());
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            samples.add(Metric.JVM_BUFFERS, pool.getMemoryUsed(), pool.getName());
        }
    }

    private static void area(Samples samples, String name, MemoryUsage usage) {
        samples.add(Metric.JVM_MEMORY_USED, usage.getUsed(), name);
        samples.add(Metric.JVM_MEMORY_COMMITTED, usage.getCommitted(), name);
    }

    private static long openFiles() {
        try (Stream<Path> open = Files.list(OPEN_FILES)) {
            return open.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
