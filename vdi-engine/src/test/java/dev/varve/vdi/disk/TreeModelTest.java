// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Trees of disks against arrays of bytes: everything that can be done with disks in random order,
 * on disks that are active and on others, with plenty of memory for metadata and with hardly any.
 */
class TreeModelTest {
    private static final int BLOCK = 2 << 20;
    private static final int MOST_DISKS = 9;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private final Map<UUID, byte[]> models = new LinkedHashMap<>();
    private final Map<UUID, UUID> snapshotsOf = new LinkedHashMap<>();
    private final Map<UUID, ActiveVdi> active = new LinkedHashMap<>();
    private final List<RunningMerge> merging = new ArrayList<>();
    private final List<String> merged = new ArrayList<>();
    private FolderStore store;
    private VdiEngine engine;
    private Disks disks;
    private Random random;
    private RandomSource uuids;
    private Throwable trouble;

    private void start(long metadataBytes) {
        EngineContext context =
                EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                        .withLanes(2)
                        .withMetadataBytes(metadataBytes);
        engine = new VdiEngine(context);
        Map<VolumeKind, ImageFormat> formats =
                Map.of(
                        VolumeKind.VHD, new VhdFormat(clock),
                        VolumeKind.RAW, new RawFormat());
        disks = new Disks(store, engine, formats, uuids);
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private UUID any() {
        List<UUID> all = new ArrayList<>(models.keySet());
        return all.get(random.nextInt(all.size()));
    }

    private DiskClient client(UUID vdi) {
        return new DiskClient(
                active.computeIfAbsent(vdi, uuid -> disks.activate(uuid, true, operation)));
    }

    private void detach(UUID vdi) {
        Optional.ofNullable(active.remove(vdi)).ifPresent(each -> each.close(operation));
    }

    private void create() {
        UUID uuid = uuids.uuid();
        int size = BLOCK * (1 + random.nextInt(6));
        VdiSpec spec = new VdiSpec(uuid, VolumeKind.VHD, size, "disk", "", false);
        disks.create(spec, operation);
        models.put(uuid, new byte[size]);
    }

    private void change(UUID vdi) {
        byte[] model = models.get(vdi);
        int offset = 512 * random.nextInt(model.length / 512);
        int most = random.nextInt(5) == 0 ? 3 * BLOCK : 64 << 10;
        int length = Math.min(model.length - offset, 512 * (1 + random.nextInt(most / 512)));
        if (random.nextInt(4) == 0) {
            offset = offset / BLOCK * BLOCK;
            length = Math.min(model.length - offset, BLOCK * (1 + random.nextInt(2)));
        }
        DiskClient client = client(vdi);
        switch (random.nextInt(8)) {
            case 0 -> {
                client.writeZeroes(offset, length, random.nextInt(2) * BlockRequest.NO_HOLE);
                Arrays.fill(model, offset, offset + length, (byte) 0);
            }
            case 1 -> {
                client.discard(offset, length);
                byte[] found = client.read(offset, length);
                for (int i = 0; i < length; i += 512) {
                    byte[] sector = Arrays.copyOfRange(found, i, i + 512);
                    byte[] last = Arrays.copyOfRange(model, offset + i, offset + i + 512);
                    if (!Arrays.equals(sector, last)) {
                        assertArrayEquals(new byte[512], sector, "zero or the last value");
                    }
                }
                System.arraycopy(found, 0, model, offset, length);
            }
            default -> {
                byte[] data = new byte[length];
                random.nextBytes(data);
                client.write(offset, data);
                System.arraycopy(data, 0, model, offset, length);
            }
        }
        if (random.nextInt(6) == 0) {
            client.flush();
        }
    }

    private void snapshot() {
        List<SnapshotSpec> specs = new ArrayList<>();
        for (int count = 1 + random.nextInt(2); count > 0; count--) {
            UUID source = any();
            if (specs.stream().noneMatch(spec -> spec.source().equals(source))) {
                specs.add(new SnapshotSpec(source, uuids.uuid()));
            }
        }
        disks.snapshot(specs, operation);
        for (SnapshotSpec spec : specs) {
            models.put(spec.snapshot(), models.get(spec.source()).clone());
            snapshotsOf.put(spec.snapshot(), spec.source());
        }
    }

    private void cloneOne() {
        UUID source = any();
        UUID clone = uuids.uuid();
        disks.clone(source, clone, operation);
        models.put(clone, models.get(source).clone());
    }

    private void copyOne() {
        UUID source = any();
        detach(source);
        UUID copy = uuids.uuid();
        byte[] model = models.get(source);
        VdiSpec spec = new VdiSpec(copy, VolumeKind.VHD, model.length, "copy", "", false);
        VdiInfo made = disks.copy(source, disks, spec, operation);
        assertEquals(Optional.empty(), made.parent());
        models.put(copy, model.clone());
    }

    private void revertOne() {
        List<UUID> known =
                snapshotsOf.keySet().stream()
                        .filter(uuid -> models.containsKey(snapshotsOf.get(uuid)))
                        .toList();
        if (!known.isEmpty()) {
            UUID snapshot = known.get(random.nextInt(known.size()));
            UUID vdi = snapshotsOf.get(snapshot);
            detach(vdi);
            disks.revert(vdi, snapshot, operation);
            models.put(vdi, models.get(snapshot).clone());
        }
    }

    /** A snapshot has room for its own size only. */
    private void grow(UUID vdi) {
        if (snapshotsOf.containsKey(vdi)) {
            return;
        }
        byte[] model = models.get(vdi);
        int size = model.length + BLOCK * (1 + random.nextInt(2));
        disks.resize(vdi, size, operation);
        models.put(vdi, Arrays.copyOf(model, size));
    }

    private void destroy(UUID vdi) {
        detach(vdi);
        disks.destroy(vdi, operation);
        models.remove(vdi);
        snapshotsOf.remove(vdi);
    }

    private void verify(UUID vdi) {
        byte[] model = models.get(vdi);
        DiskClient client = client(vdi);
        for (int at = 0; at < model.length; at += BLOCK) {
            byte[] expected = Arrays.copyOfRange(model, at, at + BLOCK);
            byte[] found = client.read(at, BLOCK);
            int wrong = Arrays.mismatch(expected, found);
            assertEquals(-1, wrong, () -> "disk " + vdi + " differs");
        }
    }

    private void verifyAll() {
        endMerges();
        List.copyOf(models.keySet()).forEach(this::verify);
        List.copyOf(active.keySet()).forEach(this::detach);
        List<VdiInfo> found = disks.scan(operation);
        for (VdiInfo info : found) {
            assertEquals(new VdiState.Valid(), info.state(), info.toString());
            assertEquals(models.containsKey(info.uuid()), info.managed(), info.toString());
        }
        assertEquals(models.size(), found.stream().filter(VdiInfo::managed).count());
        store.list().forEach(volume -> assertInOrder(volume.id()));
    }

    /** Other programs are stricter than a scan. */
    private void assertInOrder(VolumeId id) {
        try (OpenVolume open = engine.open(store.open(id, false), false)) {
            VhdCheck.Result result = new VhdCheck(clock).check(open.access(operation));
            assertEquals(List.of(), result.findings(), id.toString());
        }
    }

    // ---- merges

    private void beginMerge() {
        List<Merge> possible = disks.merges(operation);
        if (!possible.isEmpty()) {
            try {
                merging.add(disks.merge(possible.get(random.nextInt(possible.size())), operation));
            } catch (StorageException e) {
                assertEquals(ErrorCode.SR_VDI_IN_USE, e.code(), "attached for reading only");
            }
        }
    }

    private void endMerge() {
        if (merging.isEmpty()) {
            beginMerge();
        } else {
            RunningMerge merge = merging.remove(random.nextInt(merging.size()));
            if (random.nextInt(4) == 0) {
                merge.cancel();
            } else if (merge.finish(operation).isPresent()) {
                merged.add(merge.merge().isLeaf() + " " + merge.direction());
            }
        }
    }

    private void endMerges() {
        while (!merging.isEmpty()) {
            endMerge();
        }
        // What was merged is closed a moment later.
        while (store.ids().stream().anyMatch(id -> !id.kind().isDisk())) {
            disks.removeGarbage(operation);
            operation.checkpoint();
        }
    }

    private void step() {
        switch (random.nextInt(32)) {
            case 24, 25, 26 -> beginMerge();
            case 27, 28, 29 -> endMerge();
            case 0, 1, 2 -> snapshot();
            case 3, 4 -> cloneOne();
            case 5 -> revertOne();
            case 6 -> grow(any());
            case 7, 8 -> detach(any());
            case 9 -> copyOne();
            case 10, 11 -> verify(any());
            default -> change(any());
        }
        while (models.size() > MOST_DISKS) {
            destroy(any());
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 100000000", "2, 100000000", "3, 30000", "4, 8000", "5, 1"})
    void treesHoldWhatModelsHold(long seed, long metadataBytes) {
        random = new Random(seed);
        uuids = RandomSource.of(random);
        store = new FolderStore(directory);
        start(metadataBytes);
        create();
        create();
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 80; i++) {
                step();
            }
            verifyAll();
            engine.close();
            start(metadataBytes);
        }
        List.copyOf(models.keySet()).forEach(this::destroy);
        endMerges();
        assertEquals(List.of(), store.list(), "nothing is left of disks that are gone");
        assertEquals(0, engine.metadata().usedBytes(), "nothing is left in memory");
        assertTrue(Set.copyOf(merged).size() > 1, "images were merged in several ways");
    }
}
