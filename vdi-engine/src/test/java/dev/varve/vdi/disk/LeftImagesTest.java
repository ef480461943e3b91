// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdVerdict;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * What a strict checker says of the images that the engine leaves behind: those of disks that were
 * detached are in order, and those of an engine that was killed can be repaired.
 */
class LeftImagesTest {
    private static final int BLOCK = 2 << 20;
    private static final int SIZE = 6 * BLOCK;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(clock);
    private FolderStore store;
    private VdiEngine engine;
    private Disks disks;
    private volatile Throwable trouble;

    @BeforeEach
    void start() {
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        store = new FolderStore(directory);
        disks = new Disks(store, engine, Map.of(VolumeKind.VHD, format), RandomSource.secure());
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private UUID create() {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        return uuid;
    }

    private ActiveVdi activate(UUID vdi) {
        return disks.activate(vdi, true, operation);
    }

    /** As a process that is killed: nothing is written any more. */
    private void kill() {
        engine.close();
        start();
    }

    private VhdCheck.Result check(VolumeId id) {
        try (OpenVolume open = engine.open(store.open(id, false), false)) {
            return new VhdCheck(clock).check(open.access(operation));
        }
    }

    private static VolumeId volume(UUID vdi) {
        return new VolumeId(VolumeKind.VHD, vdi);
    }

    private void assertInOrder(UUID vdi) {
        assertEquals(List.of(), check(volume(vdi)).findings());
    }

    private void repair(VolumeId id) {
        try (OpenVolume open = engine.open(store.open(id, true), true)) {
            BlockAccess access = open.access(operation);
            ImageLayer layer = format.open(access, true);
            layer.seal(access, layer.info().hidden());
        }
    }

    private static byte[] pattern(int length, int seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    @Test
    void aDetachedDiskIsValidAndAKilledOneUnclean() {
        UUID vdi = create();
        assertInOrder(vdi);
        ActiveVdi active = activate(vdi);
        new DiskClient(active).write(4096, pattern(8192, 1));
        active.close(operation);
        assertInOrder(vdi);
        DiskClient client = new DiskClient(activate(vdi));
        client.write(BLOCK, pattern(BLOCK, 2));
        client.flush();
        kill();
        assertEquals(VhdVerdict.UNCLEAN, check(volume(vdi)).verdict());
        repair(volume(vdi));
        assertInOrder(vdi);
    }

    /**
     * A block that was fully written is given up and used again, in part. The batmap on the device
     * must not go on saying that it is fully written: what is written to it later would have no
     * bit, and would be lost as soon as the batmap cannot be used.
     */
    @Test
    void aBlockThatIsUsedAgainIsNotTakenForAFullOne() {
        UUID vdi = create();
        ActiveVdi active = activate(vdi);
        DiskClient client = new DiskClient(active);
        client.write(BLOCK, pattern(BLOCK, 1));
        client.write(0, pattern(512, 2));
        active.close(operation);
        client = new DiskClient(activate(vdi));
        client.discard(BLOCK, BLOCK);
        client.flush();
        client.write(BLOCK, pattern(4096, 3));
        client.flush();
        kill();
        assertNotEquals(VhdVerdict.INVALID, check(volume(vdi)).verdict(), told(vdi));
        active = activate(vdi);
        client = new DiskClient(active);
        assertArrayEquals(pattern(4096, 3), client.read(BLOCK, 4096));
        assertArrayEquals(new byte[BLOCK - 4096], client.read(BLOCK + 4096, BLOCK - 4096));
        client.write(BLOCK + 65536, pattern(4096, 4));
        active.close(operation);
        assertInOrder(vdi);
    }

    /** As long as the image does not become longer, it looks as if it had been closed. */
    @Test
    void aBlockThatWasGivenUpIsNotCalledFullOnceTheImageIsClosed() {
        UUID vdi = create();
        ActiveVdi active = activate(vdi);
        new DiskClient(active).write(BLOCK, pattern(BLOCK, 1));
        active.close(operation);
        DiskClient client = new DiskClient(activate(vdi));
        client.discard(BLOCK, BLOCK);
        client.flush();
        kill();
        assertNotEquals(VhdVerdict.INVALID, check(volume(vdi)).verdict(), told(vdi));
        assertTrue(told(vdi).contains("calls 1 blocks fully written"), told(vdi));
        activate(vdi).close(operation);
        assertInOrder(vdi);
    }

    private String told(UUID vdi) {
        return check(volume(vdi)).findings().toString();
    }

    /** Everything that disks do, with kills in between; other programs can repair what is left. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void whateverIsLeftCanBeRepaired(int seed) throws IOException {
        Random random = new Random(seed);
        List<UUID> vdis = new ArrayList<>(List.of(create(), create()));
        for (int round = 0; round < 6; round++) {
            List<ActiveVdi> active = new ArrayList<>();
            for (UUID vdi : vdis) {
                active.add(activate(vdi));
            }
            for (int i = 0; i < 25; i++) {
                change(new DiskClient(active.get(random.nextInt(active.size()))), random);
                if (i == 12 && round % 2 == 0) {
                    UUID snapshot = UUID.randomUUID();
                    disks.snapshot(
                            List.of(new SnapshotSpec(vdis.get(round % 2), snapshot)), operation);
                }
            }
            if (random.nextBoolean()) {
                active.removeLast().close(operation);
            }
            kill();
            for (VolumeInfo volume : store.list()) {
                VhdCheck.Result left = check(volume.id());
                assertNotEquals(VhdVerdict.INVALID, left.verdict(), left.findings().toString());
                Path file = store.path(volume.id());
                byte[] before = Files.readAllBytes(file);
                repair(volume.id());
                VhdCheck.Result repaired = check(volume.id());
                assertEquals(VhdVerdict.VALID, repaired.verdict(), repaired.findings().toString());
                Files.write(file, before);
            }
        }
        assertTrue(store.list().size() > 2);
    }

    private static void change(DiskClient client, Random random) {
        int block = BLOCK * random.nextInt(SIZE / BLOCK);
        int at = 512 * random.nextInt(BLOCK / 512 - 200);
        switch (random.nextInt(8)) {
            case 0, 1 -> client.discard(block, BLOCK);
            case 2 -> client.write(block, pattern(BLOCK, random.nextInt()));
            case 3 -> client.flush();
            case 4 -> client.writeZeroes(block + at, 512 * 199, 0);
            default ->
                    client.write(
                            block + at,
                            Arrays.copyOf(pattern(102_400, at), 512 * (1 + random.nextInt(200))));
        }
    }
}
