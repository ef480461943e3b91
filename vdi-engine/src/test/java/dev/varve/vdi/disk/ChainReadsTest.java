// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.CountingStore;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Depth costs nothing: a read of the guest is one read of a device, whichever layer has the data.
 */
class ChainReadsTest {
    private static final int BLOCK = 2 << 20;
    private static final int PAGE = 4096;
    private static final int SIZE = 16 * BLOCK;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 300, TimeUnit.SECONDS);
    private final RandomSource uuids = RandomSource.of(new Random(1));
    private CountingStore store;
    private VdiEngine engine;
    private Disks disks;
    private Throwable trouble;

    @BeforeEach
    void start() {
        store = new CountingStore(new FolderStore(directory));
        EngineContext context =
                EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown).withLanes(1);
        engine = new VdiEngine(context);
        disks = new Disks(store, engine, Map.of(VolumeKind.VHD, new VhdFormat(clock)), uuids);
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private UUID create() {
        UUID uuid = uuids.uuid();
        disks.create(new VdiSpec(uuid, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        return uuid;
    }

    private void snapshot(UUID vdi) {
        disks.snapshot(List.of(new SnapshotSpec(vdi, uuids.uuid())), operation);
    }

    /** Every page of four kilobytes of some blocks, each written in one of the layers. */
    private int[] spread(UUID vdi, int depth) {
        DiskClient client = new DiskClient(disks.activate(vdi, true, operation));
        int[] stamps = new int[SIZE / PAGE];
        Random random = new Random(depth);
        for (int layer = 1; layer <= depth; layer++) {
            for (int i = 0; i < Math.max(40, 2000 / depth); i++) {
                int page = random.nextInt(stamps.length);
                stamps[page] = layer * stamps.length + page;
                client.write((long) page * PAGE, content(stamps[page]));
            }
            if (layer < depth) {
                snapshot(vdi);
            }
        }
        return stamps;
    }

    private static byte[] content(int stamp) {
        ByteBuffer bytes = ByteBuffer.allocate(PAGE);
        while (stamp != 0 && bytes.hasRemaining()) {
            bytes.putInt(stamp);
        }
        return bytes.array();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 30, 200})
    void aReadOfTheGuestIsOneReadOfADevice(int depth) {
        UUID vdi = create();
        int[] stamps = spread(vdi, depth);
        engine.find(vdi).orElseThrow().close(operation);
        ActiveVdi active = disks.activate(vdi, true, operation);
        assertEquals(depth, active.depth());
        DiskClient client = new DiskClient(active);
        int written = 0;
        for (int page = 0; page < stamps.length; page++) {
            assertArrayEquals(content(stamps[page]), client.read((long) page * PAGE, PAGE));
            written += stamps[page] == 0 ? 0 : 1;
        }
        assertTrue(written > 1000, "enough pages hold data: " + written);
        long before = store.reads();
        Random random = new Random(depth);
        for (int guestReads = 0; guestReads < 2000; ) {
            int page = random.nextInt(stamps.length);
            if (stamps[page] != 0) {
                client.read((long) page * PAGE, PAGE);
                guestReads++;
            }
        }
        assertEquals(2000, store.reads() - before, "reads of devices for 2000 reads of the guest");
        active.close(operation);
    }

    /** What was never written anywhere is not looked for on devices again and again. */
    @Test
    void aReadOfNothingIsNoReadOfADevice() {
        UUID vdi = create();
        spread(vdi, 5);
        ActiveVdi active = engine.find(vdi).orElseThrow();
        disks.resize(vdi, 4L * SIZE, operation);
        DiskClient client = new DiskClient(active);
        client.read(2L * SIZE, PAGE);
        long before = store.reads();
        for (int i = 0; i < 100; i++) {
            client.read(2L * SIZE + (long) i * PAGE, PAGE);
        }
        assertEquals(before, store.reads());
        active.close(operation);
    }
}
