// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.ForwardingStore;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdImageBuilder;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;

/** Trees of images in which something is missing, wrong, full or not allowed. */
class ChainTroubleTest {
    private static final int BLOCK = 2 << 20;
    private static final int SIZE = 4 * BLOCK;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(clock);
    private FolderStore folder;
    private FullStore store;
    private VdiEngine engine;
    private Disks disks;
    private volatile Throwable trouble;

    /** A store that is full from the change on that a test says. */
    private static final class FullStore extends ForwardingStore {
        /** How many commits that need room succeed; negative for all. */
        private int commitsLeft = -1;

        /** Whether volumes can become larger. */
        private volatile boolean growing = true;

        FullStore(VolumeStore store) {
            super(store);
        }

        private static boolean needsRoom(List<VolumeChange> changes) {
            return changes.stream().anyMatch(each -> !(each instanceof VolumeChange.Delete));
        }

        void allowGrowth(boolean allowed) {
            growing = allowed;
        }

        synchronized void allow(int commits) {
            commitsLeft = commits;
        }

        @Override
        public synchronized void commit(List<VolumeChange> changes) {
            if (!changes.isEmpty() && needsRoom(changes) && commitsLeft >= 0) {
                if (commitsLeft == 0) {
                    throw ErrorCode.SR_NO_SPACE.because("the test's store is full");
                }
                commitsLeft--;
            }
            super.commit(changes);
        }

        @Override
        public StoreVolume open(VolumeId id, boolean writable) {
            return new Volume(super.open(id, writable)) {
                @Override
                public CompletionStage<Long> grow(long sizeBytes) {
                    return growing
                            ? super.grow(sizeBytes)
                            : CompletableFuture.failedFuture(
                                    ErrorCode.SR_NO_SPACE.because("the test's store is full"));
                }
            };
        }
    }

    @BeforeEach
    void start() {
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        folder = new FolderStore(directory);
        store = new FullStore(folder);
        Map<VolumeKind, ImageFormat> formats =
                Map.of(VolumeKind.VHD, format, VolumeKind.RAW, new RawFormat());
        disks = new Disks(store, engine, formats, RandomSource.secure());
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    // ---- disks

    private static VolumeId volume(UUID vdi) {
        return new VolumeId(VolumeKind.VHD, vdi);
    }

    private Path file(UUID vdi) {
        return folder.path(volume(vdi));
    }

    private static byte[] pattern(int length, int seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    private UUID create(int seed) {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        write(uuid, 4096, seed);
        return uuid;
    }

    private void write(UUID vdi, int offset, int seed) {
        ActiveVdi active = disks.activate(vdi, true, operation);
        new DiskClient(active).write(offset, pattern(8192, seed));
        active.close(operation);
    }

    private byte[] read(UUID vdi, int offset) {
        ActiveVdi active = disks.activate(vdi, false, operation);
        byte[] found = new DiskClient(active).read(offset, 8192);
        active.close(operation);
        return found;
    }

    private UUID snapshot(UUID vdi) {
        UUID snapshot = UUID.randomUUID();
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        return snapshot;
    }

    private UUID parentOf(UUID vdi) {
        return disks.find(vdi).orElseThrow().parent().orElseThrow();
    }

    private UUID imageUuid(UUID vdi) {
        try (OpenVolume open = engine.open(store.open(volume(vdi), false), false)) {
            return format.inspect(open.access(operation)).uuid().orElseThrow();
        }
    }

    /** An empty image that names a parent. */
    private UUID child(UUID parent, UUID parentImage, UUID ownImage, int size) {
        UUID uuid = UUID.randomUUID();
        putChild(uuid, parent, parentImage, ownImage, size);
        return uuid;
    }

    private void putChild(UUID uuid, UUID parent, UUID parentImage, UUID ownImage, int size) {
        String name = store.nameOf(volume(parent));
        ImageSpec spec =
                new ImageSpec(ownImage, size, size, Optional.of(new ParentLink(name, parentImage)));
        store.commit(List.of(new VolumeChange.Create(volume(uuid), 0, Map.of())));
        try (OpenVolume open = engine.open(store.open(volume(uuid), true), true)) {
            BlockAccess access = open.access(operation);
            format.create(access, spec, operation);
        }
    }

    // ---- what a scan says

    /** Exactly these disks are quarantined; all others are in order. */
    private Map<UUID, String> assertQuarantined(UUID... expected) {
        Map<UUID, String> reasons =
                disks.scan(operation).stream()
                        .filter(each -> each.state() instanceof VdiState.Quarantined)
                        .collect(
                                Collectors.toMap(
                                        VdiInfo::uuid,
                                        each -> ((VdiState.Quarantined) each.state()).reason()));
        assertEquals(
                new TreeSet<>(List.of(expected)),
                new TreeSet<>(reasons.keySet()),
                reasons.toString());
        for (VdiInfo info : disks.scan(operation)) {
            if (!reasons.containsKey(info.uuid())) {
                assertInstanceOf(VdiState.Valid.class, info.state());
            }
        }
        return reasons;
    }

    private static void assertContains(String text, String part) {
        assertTrue(text.contains(part), text);
    }

    private void assertCannotLoad(UUID vdi, String part) {
        assertCannotLoad(vdi, false, part);
        assertCannotLoad(vdi, true, part);
    }

    private void assertCannotLoad(UUID vdi, boolean writable, String part) {
        StorageException refused =
                assertThrows(
                        StorageException.class, () -> disks.activate(vdi, writable, operation));
        assertEquals(ErrorCode.VDI_LOAD, refused.code());
        assertContains(refused.sentence(), part);
        assertTrue(engine.activeDisks().isEmpty());
    }

    @Test
    void aMissingParentTakesThoseAboveWithIt() throws IOException {
        UUID other = create(1);
        UUID vdi = create(2);
        UUID first = snapshot(vdi);
        write(vdi, 0, 3);
        UUID second = snapshot(vdi);
        UUID root = parentOf(first);
        UUID middle = parentOf(second);
        Files.delete(file(root));
        Map<UUID, String> reasons = assertQuarantined(vdi, first, second, middle);
        assertContains(reasons.get(first), root + ".vhd");
        assertContains(reasons.get(first), "is not in this repository");
        assertContains(reasons.get(vdi), "rests on VHD " + middle + ", which cannot be used");
        assertCannotLoad(vdi, "is not in this repository");
        assertCannotLoad(first, "is not in this repository");
        assertArrayEquals(pattern(8192, 1), read(other, 4096));
    }

    @Test
    void anotherImageUnderTheParentsNameIsRefused() throws IOException {
        UUID other = create(1);
        UUID vdi = create(2);
        UUID snapshot = snapshot(vdi);
        UUID root = parentOf(snapshot);
        Files.copy(file(other), file(root), StandardCopyOption.REPLACE_EXISTING);
        Map<UUID, String> reasons = assertQuarantined(vdi, snapshot);
        assertContains(reasons.get(vdi), "is not the image that it was made on");
        assertContains(reasons.get(vdi), "it has the UUID " + imageUuid(other));
        assertCannotLoad(vdi, "is not the image that the disk was made on");
        assertArrayEquals(pattern(8192, 1), read(other, 4096));
    }

    @Test
    void imagesThatNameEachOtherAreRefused() {
        UUID other = create(1);
        UUID first = UUID.randomUUID();
        UUID firstImage = UUID.randomUUID();
        UUID secondImage = UUID.randomUUID();
        UUID second = child(first, firstImage, secondImage, SIZE);
        putChild(first, second, secondImage, firstImage, SIZE);
        UUID above = child(second, secondImage, UUID.randomUUID(), SIZE);
        Map<UUID, String> reasons = assertQuarantined(first, second, above);
        assertContains(reasons.get(first), "come back to itself");
        assertCannotLoad(first, false, "comes back to");
        assertCannotLoad(above, "comes back to");
        assertArrayEquals(pattern(8192, 1), read(other, 4096));
    }

    @Test
    void anImageThatNamesItselfIsRefused() {
        UUID own = UUID.randomUUID();
        UUID image = UUID.randomUUID();
        putChild(own, own, image, image, SIZE);
        assertContains(assertQuarantined(own).get(own), "come back to itself");
        assertCannotLoad(own, false, "comes back to");
    }

    @Test
    void aParentThatWasRenamedIsNamed() throws IOException {
        UUID other = create(1);
        UUID vdi = create(2);
        UUID snapshot = snapshot(vdi);
        UUID root = parentOf(snapshot);
        UUID renamed = UUID.randomUUID();
        Files.move(file(root), file(renamed));
        Map<UUID, String> reasons = assertQuarantined(vdi, snapshot);
        assertContains(reasons.get(vdi), "VHD " + renamed + " has that UUID: was it renamed?");
        Files.move(file(renamed), file(root));
        assertQuarantined();
        assertArrayEquals(pattern(8192, 2), read(vdi, 4096));
        assertArrayEquals(pattern(8192, 1), read(other, 4096));
    }

    @Test
    void aDamagedParentTakesThoseAboveWithIt() throws IOException {
        UUID other = create(1);
        UUID vdi = create(2);
        UUID snapshot = snapshot(vdi);
        UUID root = parentOf(snapshot);
        byte[] image = Files.readAllBytes(file(root));
        image[600] ^= 1;
        Files.write(file(root), image);
        Map<UUID, String> reasons = assertQuarantined(root, vdi, snapshot);
        assertContains(reasons.get(root), "the header has checksum");
        assertContains(reasons.get(vdi), "rests on VHD " + root + ", which cannot be used");
        assertCannotLoad(vdi, "the header has checksum");
        assertArrayEquals(pattern(8192, 1), read(other, 4096));
        image[600] ^= 1;
        Files.write(file(root), image);
        assertQuarantined();
        assertArrayEquals(pattern(8192, 2), read(vdi, 4096));
    }

    @ParameterizedTest
    @ValueSource(ints = {64 << 10, 512 << 10, 8 << 20})
    void blocksOfOtherSizesBelowAreRead(int blockBytes) throws IOException {
        VhdImageBuilder builder = new VhdImageBuilder(SIZE).blockBytes(blockBytes);
        byte[] model = new byte[SIZE];
        for (int block = 0; block < Math.max(1, SIZE / blockBytes); block += 2) {
            byte[] data = pattern(Math.min(blockBytes, SIZE), block);
            builder.block(block, data);
            System.arraycopy(data, 0, model, block * blockBytes, data.length);
        }
        UUID parent = UUID.randomUUID();
        Files.write(file(parent), builder.build());
        UUID vdi = child(parent, builder.footer().uuid(), UUID.randomUUID(), SIZE + BLOCK);
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        for (int i = 0; i < 40; i++) {
            byte[] data = pattern(512 * (1 + i), i);
            int at = 512 * new Random(i).nextInt((SIZE - data.length) / 512);
            client.write(at, data);
            System.arraycopy(data, 0, model, at, data.length);
        }
        for (int at = 0; at < SIZE; at += BLOCK) {
            assertArrayEquals(Arrays.copyOfRange(model, at, at + BLOCK), client.read(at, BLOCK));
        }
        assertArrayEquals(new byte[BLOCK], client.read(SIZE, BLOCK));
        active.close(operation);
        assertQuarantined();
    }

    // ---- a full store

    private Set<VolumeId> ids() {
        return Set.copyOf(store.ids());
    }

    /** Each step that takes room fails once: the volumes of the empty images, and the names. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void aSnapshotOnAFullStoreLeavesNothing(int commits) {
        UUID vdi = create(1);
        Set<VolumeId> before = ids();
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        client.write(0, pattern(4096, 5));
        store.allow(commits);
        StorageException refused = assertThrows(StorageException.class, () -> snapshot(vdi));
        assertEquals(ErrorCode.SR_NO_SPACE, refused.code());
        assertEquals(before, ids());
        client.write(BLOCK, pattern(4096, 6));
        client.flush();
        assertArrayEquals(pattern(4096, 5), client.read(0, 4096));
        store.allow(-1);
        UUID snapshot = snapshot(vdi);
        client.write(BLOCK, pattern(4096, 7));
        active.close(operation);
        assertArrayEquals(pattern(4096, 6), Arrays.copyOf(read(snapshot, BLOCK), 4096));
        assertArrayEquals(pattern(4096, 7), Arrays.copyOf(read(vdi, BLOCK), 4096));
        assertQuarantined();
    }

    /** The names have room, what is to be in the images has not. */
    @Test
    void aSnapshotWithoutRoomForItsImageLeavesNothing() {
        UUID vdi = create(1);
        Set<VolumeId> before = ids();
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        client.write(4096, pattern(4096, 5));
        store.allowGrowth(false);
        assertEquals(
                ErrorCode.SR_NO_SPACE,
                assertThrows(StorageException.class, () -> snapshot(vdi)).code());
        assertEquals(before, ids());
        client.write(8192, pattern(4096, 6));
        assertEquals(IoStatus.NO_SPACE, client.tryWrite(3 * BLOCK, pattern(4096, 7), 0));
        client.flush();
        store.allowGrowth(true);
        client.write(3 * BLOCK, pattern(4096, 7));
        UUID snapshot = snapshot(vdi);
        store.allowGrowth(false);
        assertEquals(IoStatus.NO_SPACE, client.tryWrite(4096, pattern(4096, 8), 0));
        assertArrayEquals(pattern(4096, 5), client.read(4096, 4096));
        store.allowGrowth(true);
        client.write(4096, pattern(4096, 8));
        active.close(operation);
        assertArrayEquals(pattern(4096, 5), Arrays.copyOf(read(snapshot, 4096), 4096));
        assertArrayEquals(pattern(4096, 8), Arrays.copyOf(read(vdi, 4096), 4096));
        assertArrayEquals(pattern(4096, 7), Arrays.copyOf(read(vdi, 3 * BLOCK), 4096));
        assertQuarantined();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void aCloneAndARevertOnAFullStoreLeaveNothing(int commits) {
        UUID vdi = create(1);
        UUID snapshot = snapshot(vdi);
        write(vdi, 4096, 2);
        Set<VolumeId> before = ids();
        store.allow(commits);
        assertEquals(
                ErrorCode.SR_NO_SPACE,
                assertThrows(
                                StorageException.class,
                                () -> disks.clone(vdi, UUID.randomUUID(), operation))
                        .code());
        assertEquals(before, ids());
        store.allow(Math.min(1, commits));
        assertEquals(
                ErrorCode.SR_NO_SPACE,
                assertThrows(StorageException.class, () -> disks.revert(vdi, snapshot, operation))
                        .code());
        assertEquals(before, ids());
        store.allow(-1);
        assertQuarantined();
        assertArrayEquals(pattern(8192, 2), read(vdi, 4096));
        assertArrayEquals(pattern(8192, 1), read(snapshot, 4096));
    }

    // ---- quickly one after the other

    /**
     * Two threads that take snapshots in turn while a third writes ever larger numbers into two
     * blocks, the second after the first. Each snapshot shows a moment of that, later ones later
     * moments.
     */
    @Test
    void snapshotsOfTwoThreadsInTurnAreMomentsOfTheDisk() throws Exception {
        UUID vdi = create(1);
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        AtomicBoolean over = new AtomicBoolean();
        int[] last = new int[1];
        Thread writer =
                Thread.ofVirtual()
                        .start(
                                () -> {
                                    for (int i = 1; !over.get(); i++) {
                                        client.write(0, number(i));
                                        client.write(2 * BLOCK, number(i));
                                        last[0] = i;
                                    }
                                });
        List<UUID> taken = new ArrayList<>();
        Runnable taker =
                () -> {
                    for (int i = 0; i < 6; i++) {
                        synchronized (taken) {
                            taken.add(snapshot(vdi));
                        }
                    }
                };
        List<Thread> takers =
                List.of(Thread.ofPlatform().start(taker), Thread.ofPlatform().start(taker));
        for (Thread each : takers) {
            each.join();
        }
        over.set(true);
        writer.join();
        active.close(operation);
        assertEquals(12, taken.size());
        int before = 0;
        for (UUID snapshot : taken) {
            int first = ByteBuffer.wrap(read(snapshot, 0)).getInt();
            int second = ByteBuffer.wrap(read(snapshot, 2 * BLOCK)).getInt();
            assertTrue(second <= first && first <= second + 1, first + " before " + second);
            assertTrue(first >= before, first + " after " + before);
            before = first;
        }
        assertEquals(last[0], ByteBuffer.wrap(read(vdi, 0)).getInt());
        assertEquals(last[0], ByteBuffer.wrap(read(vdi, 2 * BLOCK)).getInt());
        assertQuarantined();
    }

    private static byte[] number(int value) {
        return ByteBuffer.allocate(512).putInt(value).array();
    }

    // ---- what a scan puts right

    private VdiInfo scanned(UUID vdi) {
        return disks.scan(operation).stream()
                .filter(info -> info.uuid().equals(vdi))
                .findFirst()
                .orElseThrow();
    }

    /** A foreign program, or somebody's copy, left out the mark that it is an inner node. */
    @Test
    void anImageThatOthersRestOnIsMarkedAsAnInnerNode() {
        UUID parent = create(1);
        UUID parentImage =
                store.find(volume(parent))
                        .map(
                                found -> {
                                    try (OpenVolume open =
                                            engine.open(store.open(found.id(), false), false)) {
                                        return format.inspect(open.access(operation))
                                                .uuid()
                                                .orElseThrow();
                                    }
                                })
                        .orElseThrow();
        assertTrue(scanned(parent).managed());
        UUID child = child(parent, parentImage, UUID.randomUUID(), SIZE);
        assertFalse(scanned(parent).managed());
        assertTrue(store.find(volume(parent)).orElseThrow().hidden());
        assertTrue(scanned(child).managed());
        assertArrayEquals(pattern(8192, 1), read(child, 4096));
    }

    /** An image that only seems to be the one that another was made on stays what it is. */
    @Test
    void anImageOfTheSameNameIsNotMarked() {
        UUID parent = create(1);
        child(parent, UUID.randomUUID(), UUID.randomUUID(), SIZE);
        assertTrue(scanned(parent).managed());
        assertFalse(store.find(volume(parent)).orElseThrow().hidden());
    }

    @Test
    void notesThatAreLostAreWrittenAnewAndOthersStay() {
        UUID vdi = create(1);
        DiskNotes notes =
                new DiskNotes(
                        "mine", "text", true, Optional.of(new SnapshotMark(Optional.of(vdi), 5)));
        VdiInfo kept = disks.remember(vdi, notes);
        assertFalse(kept.hasNoNotes());
        assertFalse(kept.label().equals("mine"));
        store.commit(List.of(new VolumeChange.SetAttributes(volume(vdi), Map.of())));
        assertTrue(scanned(vdi).hasNoNotes());
        VdiInfo remembered = disks.remember(vdi, notes);
        assertEquals("mine", remembered.label());
        assertEquals("text", remembered.description());
        assertTrue(remembered.readOnly());
        assertEquals(notes.snapshot(), remembered.snapshot());
        assertEquals(remembered.label(), scanned(vdi).label());
    }

    // ---- what is not allowed

    @Test
    void aNodeThatOthersRestOnStays() {
        UUID vdi = create(1);
        UUID snapshot = snapshot(vdi);
        UUID root = parentOf(snapshot);
        Set<VolumeId> before = ids();
        StorageException refused =
                assertThrows(StorageException.class, () -> disks.destroy(root, operation));
        assertEquals(ErrorCode.VDI_DELETE, refused.code());
        assertContains(refused.sentence(), "disk " + root + " cannot go: other images rest on it");
        assertContains(refused.sentence(), "VHD " + vdi);
        assertContains(refused.sentence(), "VHD " + snapshot);
        assertEquals(before, ids());
    }

    @Test
    void anImageThatOthersRestOnIsNotWritten() {
        UUID vdi = create(1);
        UUID snapshot = snapshot(vdi);
        UUID root = parentOf(snapshot);
        StorageException refused =
                assertThrows(StorageException.class, () -> disks.activate(root, true, operation));
        assertEquals(ErrorCode.SR_VDI_IN_USE, refused.code());
        assertContains(refused.sentence(), "cannot be written: other images rest on it");
        assertThrows(StorageException.class, () -> disks.resize(root, 2 * SIZE, operation));
        assertArrayEquals(pattern(8192, 1), read(root, 4096));
        assertArrayEquals(pattern(8192, 1), read(vdi, 4096));
    }

    @Test
    void aDiskIsNotRevertedToTheSnapshotOfAnother() {
        UUID vdi = create(1);
        UUID other = create(2);
        UUID foreign = snapshot(other);
        for (UUID wrong : List.of(foreign, other, vdi)) {
            StorageException refused =
                    assertThrows(StorageException.class, () -> disks.revert(vdi, wrong, operation));
            assertEquals(ErrorCode.OPERATION_NOT_ALLOWED, refused.code());
            assertContains(
                    refused.params().getFirst(),
                    "disk " + wrong + " is not a snapshot of disk " + vdi);
        }
        assertArrayEquals(pattern(8192, 1), read(vdi, 4096));
    }
}
