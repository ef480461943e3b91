// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import java.util.function.BiConsumer;

/**
 * The settings of the engine.
 *
 * @param lanes how many lanes there are; {@code vdi.lanes}
 * @param ringSlots requests from other threads that a lane holds, a power of two; {@code
 *     vdi.ring-slots}
 * @param requestsPerVdi requests that a disk has in flight at the most; {@code vdi.requests}
 * @param bufferBytesPerLane memory for data on each lane; {@code vdi.buffer-bytes}
 * @param metadataBytes memory for metadata of images on all lanes together; {@code
 *     vdi.metadata-bytes}
 * @param poolThreads threads of a lane that has no io_uring; {@code vdi.pool-threads}
 * @param backend which backend lanes use; {@code vdi.backend}
 * @param clock the only source of time
 * @param trouble told when a stage threw, which is a defect; gets the lane's name
 * @param waiting how code that is not a lane's waits for lanes
 */
public record EngineContext(
        int lanes,
        int ringSlots,
        int requestsPerVdi,
        long bufferBytesPerLane,
        long metadataBytes,
        int poolThreads,
        Backend backend,
        Clock clock,
        BiConsumer<String, Throwable> trouble,
        Waiting waiting) {
    /** How lanes reach files. */
    public enum Backend {
        /** io_uring where the system offers it, else the pool. */
        AUTO,
        /** io_uring, or nothing. */
        IO_URING,
        /** A pool of threads. */
        POOL
    }

    private static final long DEFAULT_METADATA_BYTES = 128L << 20;

    /** Checks the settings. */
    public EngineContext {
        require(lanes > 0, "vdi.lanes must be at least 1");
        require(Integer.bitCount(ringSlots) == 1, "vdi.ring-slots must be a power of two");
        require(requestsPerVdi > 0, "vdi.requests must be at least 1");
        require(metadataBytes > 0, "vdi.metadata-bytes must be at least 1");
        require(poolThreads > 0, "vdi.pool-threads must be at least 1");
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }

    /** Settings for lanes that have threads. */
    public EngineContext(
            int lanes,
            int ringSlots,
            int requestsPerVdi,
            long bufferBytesPerLane,
            long metadataBytes,
            int poolThreads,
            Backend backend,
            Clock clock,
            BiConsumer<String, Throwable> trouble) {
        this(
                lanes,
                ringSlots,
                requestsPerVdi,
                bufferBytesPerLane,
                metadataBytes,
                poolThreads,
                backend,
                clock,
                trouble,
                Waiting.threads());
    }

    /** The settings for this machine. */
    public static EngineContext defaults(Clock clock, BiConsumer<String, Throwable> trouble) {
        return new EngineContext(
                Runtime.getRuntime().availableProcessors(),
                1024,
                128,
                128L << 20,
                DEFAULT_METADATA_BYTES,
                16,
                Backend.AUTO,
                clock,
                trouble);
    }

    /** The same settings with another backend. */
    public EngineContext withBackend(Backend newBackend) {
        return new EngineContext(
                lanes,
                ringSlots,
                requestsPerVdi,
                bufferBytesPerLane,
                metadataBytes,
                poolThreads,
                newBackend,
                clock,
                trouble,
                waiting);
    }

    /** The same settings with another bound on memory for metadata. */
    public EngineContext withMetadataBytes(long newMetadataBytes) {
        return new EngineContext(
                lanes,
                ringSlots,
                requestsPerVdi,
                bufferBytesPerLane,
                newMetadataBytes,
                poolThreads,
                backend,
                clock,
                trouble,
                waiting);
    }

    /** The same settings with another number of lanes. */
    public EngineContext withLanes(int newLanes) {
        return new EngineContext(
                newLanes,
                ringSlots,
                requestsPerVdi,
                bufferBytesPerLane,
                metadataBytes,
                poolThreads,
                backend,
                clock,
                trouble,
                waiting);
    }
}
