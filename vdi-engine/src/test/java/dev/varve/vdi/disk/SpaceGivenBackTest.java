// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.ffi.FileStatus;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** What a guest gives back is given back to the file system while the disk is used. */
class SpaceGivenBackTest {
    private static final int BLOCK = 2 << 20;
    private static final int SIZE = 8 * BLOCK;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private FolderStore store;
    private VdiEngine engine;
    private Disks disks;
    private volatile Throwable trouble;

    @BeforeEach
    void start() {
        store = new FolderStore(directory);
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(
                                VolumeKind.VHD, new VhdFormat(clock),
                                VolumeKind.RAW, new RawFormat()),
                        RandomSource.secure());
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private long allocated(UUID vdi, VolumeKind kind) {
        return FileStatus.of(store.path(new VolumeId(kind, vdi)), false).allocatedBytes();
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    /** With no snapshot, with one, and with several, each of which holds other data. */
    @ParameterizedTest
    @CsvSource({
        "VHD, 0, DISCARD",
        "VHD, 0, WRITE_ZEROES",
        "VHD, 1, DISCARD",
        "VHD, 1, WRITE_ZEROES",
        "VHD, 5, DISCARD",
        "RAW, 0, DISCARD",
        "RAW, 0, WRITE_ZEROES"
    })
    void wholeAndHalfBlocksAreGivenBack(VolumeKind kind, int snapshots, BlockOp op) {
        UUID vdi = UUID.randomUUID();
        disks.create(new VdiSpec(vdi, kind, SIZE, "disk", "", false), operation);
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        for (int i = 0; i < snapshots; i++) {
            client.write((long) i * BLOCK, pattern(BLOCK, i));
            disks.snapshot(List.of(new SnapshotSpec(vdi, UUID.randomUUID())), operation);
        }
        byte[] expected = pattern(SIZE, 77);
        client.write(0, expected);
        client.flush();
        long before = allocated(vdi, kind);
        assertTrue(before >= SIZE, () -> "it takes what was written: " + before);
        // Four whole blocks, and a half one.
        run(client, op, 2L * BLOCK, 4L * BLOCK);
        run(client, op, 7L * BLOCK, BLOCK / 2);
        client.flush();
        Arrays.fill(expected, 2 * BLOCK, 6 * BLOCK, (byte) 0);
        Arrays.fill(expected, 7 * BLOCK, 7 * BLOCK + BLOCK / 2, (byte) 0);
        assertArrayEquals(expected, client.read(0, SIZE));
        awaitGivenBack(client, vdi, kind, before);
        active.close(operation);
        ActiveVdi again = disks.activate(vdi, true, operation);
        assertArrayEquals(expected, new DiskClient(again).read(0, SIZE));
        again.close(operation);
    }

    private static void run(DiskClient client, BlockOp op, long offset, long length) {
        IoStatus status = client.run(op, 0, offset, length, null);
        assertTrue(status == IoStatus.OK, () -> op + " ended with " + status);
    }

    /** A block that is given up waits for those who read it, and then for its turn. */
    private void awaitGivenBack(DiskClient client, UUID vdi, VolumeKind kind, long before) {
        long wanted = before - 4L * BLOCK - BLOCK / 2 + (64 << 10);
        for (int i = 0; i < 1000 && allocated(vdi, kind) > wanted; i++) {
            client.flush();
        }
        long after = allocated(vdi, kind);
        assertTrue(after <= wanted, () -> "of " + before + " bytes " + after + " are taken still");
    }
}
