// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;
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

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Snapshots of two disks on two lanes at one instant.
 *
 * <pre>
 * client    write n to A .. done, write n to B .. done, write n+1 to A ..
 * engine                      hold A and B, change both over, let go
 * </pre>
 *
 * If the second disk changed over later than the first without the hold, the snapshots could show n
 * on B and less than that on A: something that never was.
 */
class GroupSnapshotTest {
    private static final int PAGE = 4096;
    private static final long SIZE = 8 << 20;
    private static final int ROUNDS = 40;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private VdiEngine engine;
    private Disks disks;
    private volatile boolean stopped;
    private Throwable trouble;

    @BeforeEach
    void start() {
        EngineContext context =
                EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown).withLanes(2);
        engine = new VdiEngine(context);
        disks =
                new Disks(
                        new FolderStore(directory),
                        engine,
                        Map.of(VolumeKind.VHD, new VhdFormat(clock)),
                        RandomSource.secure());
    }

    @AfterEach
    void stop() {
        stopped = true;
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private ActiveVdi create() {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        return disks.activate(uuid, true, operation);
    }

    /** Writes numbers to both disks in turn, each after the one before it was done. */
    private void count(List<ActiveVdi> both) {
        List<DiskClient> clients = both.stream().map(DiskClient::new).toList();
        for (long number = 1; !stopped; number++) {
            byte[] page = ByteBuffer.allocate(PAGE).putLong(number).array();
            for (DiskClient client : clients) {
                client.write(0, page);
            }
        }
    }

    private long number(UUID snapshot) {
        ActiveVdi vdi = disks.activate(snapshot, false, operation);
        long found = ByteBuffer.wrap(new DiskClient(vdi).read(0, PAGE)).getLong();
        vdi.close(operation);
        return found;
    }

    @Test
    void snapshotsOfSeveralDisksAreOfOneInstant() {
        List<ActiveVdi> both = List.of(create(), create());
        assertNotEquals(both.getFirst().lane(), both.getLast().lane(), "one lane for each");
        CompletableFuture<Void> client = CompletableFuture.runAsync(() -> count(both));
        List<UUID> taken = new ArrayList<>();
        for (int i = 0; i < ROUNDS; i++) {
            List<SnapshotSpec> specs = new ArrayList<>();
            for (ActiveVdi vdi : i % 2 == 0 ? both : both.reversed()) {
                specs.add(new SnapshotSpec(vdi.uuid(), UUID.randomUUID()));
            }
            disks.snapshot(specs, operation);
            taken.add(specs.get(i % 2).snapshot());
            taken.add(specs.get(1 - i % 2).snapshot());
        }
        stopped = true;
        client.join();
        long last = 0;
        for (int i = 0; i < taken.size(); i += 2) {
            long first = number(taken.get(i));
            long second = number(taken.get(i + 1));
            assertTrue(
                    first == second || first == second + 1,
                    "round " + i / 2 + " shows " + first + " and " + second);
            assertTrue(first >= last, "snapshots are in order");
            last = first;
        }
        assertTrue(last > ROUNDS, "the client went on meanwhile: " + last);
        both.forEach(vdi -> vdi.close(operation));
        assertEquals(
                2 + 2 * ROUNDS, disks.scan(operation).stream().filter(VdiInfo::managed).count());
    }
}
