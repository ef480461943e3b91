// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Merges of images of disks that several clients write and read meanwhile, and what stops them. */
class LiveMergeTest {
    private static final int PAGE = 4096;
    private static final int SIZE = 24 << 20;
    private static final int WRITERS = 3;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private final Random random = new Random(1);
    private final byte[] model = new byte[SIZE];
    private final UUID vdi = new UUID(7, 7);
    private FolderStore store;
    private VdiEngine engine;
    private Disks disks;
    private ActiveVdi active;
    private volatile Throwable trouble;
    private volatile boolean stop;

    @BeforeEach
    void start() {
        store = new FolderStore(directory);
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> note(thrown)).withLanes(2));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(
                                VolumeKind.VHD, new VhdFormat(clock),
                                VolumeKind.RAW, new RawFormat()),
                        RandomSource.of(random));
        disks.create(new VdiSpec(vdi, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        active = disks.activate(vdi, true, operation);
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage or a client failed", trouble);
        }
    }

    // ---- clients

    private List<Thread> startWriters() {
        List<Thread> writers = new ArrayList<>();
        for (int i = 0; i < WRITERS; i++) {
            int number = i;
            Thread thread = new Thread(() -> write(number));
            thread.start();
            writers.add(thread);
        }
        return writers;
    }

    /** Each writer has every third page, so that all of them are everywhere. */
    private void write(int number) {
        Random own = new Random(number);
        DiskClient client = new DiskClient(active);
        try {
            while (!stop && trouble == null) {
                int page = own.nextInt(SIZE / PAGE / WRITERS) * WRITERS + number;
                int from = 512 * own.nextInt(8);
                int length = 512 * (1 + own.nextInt(8 - from / 512));
                int offset = page * PAGE + from;
                byte[] before = client.read(offset, length);
                assertArrayEquals(Arrays.copyOfRange(model, offset, offset + length), before);
                byte[] data = new byte[length];
                switch (own.nextInt(10)) {
                    case 0 -> client.writeZeroes(offset, length, 0);
                    case 1 -> client.writeZeroes(offset, length, BlockRequest.NO_HOLE);
                    case 2 -> {
                        own.nextBytes(data);
                        client.writeDurably(offset, data);
                    }
                    default -> {
                        own.nextBytes(data);
                        client.write(offset, data);
                    }
                }
                System.arraycopy(data, 0, model, offset, length);
                if (own.nextInt(30) == 0) {
                    client.flush();
                }
            }
        } catch (RuntimeException | Error e) {
            note(e);
        }
    }

    /** The first failure tells why; a client that waits in vain because of it fails later. */
    private synchronized void note(Throwable failure) {
        if (trouble == null) {
            trouble = failure;
        } else {
            trouble.addSuppressed(failure);
        }
    }

    private void end(List<Thread> writers) throws InterruptedException {
        stop = true;
        for (Thread writer : writers) {
            writer.join();
        }
    }

    private void fill(int from, int length) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        new DiskClient(active).write(from, data);
        System.arraycopy(data, 0, model, from, length);
    }

    private void verify() {
        assertArrayEquals(model, new DiskClient(active).read(0, SIZE));
        active.close(operation);
        awaitNoLeftovers();
        for (VdiInfo info : disks.scan(operation)) {
            assertEquals(new VdiState.Valid(), info.state(), info.toString());
        }
        store.list().forEach(volume -> assertInOrder(volume.id()));
        active = disks.activate(vdi, true, operation);
        assertArrayEquals(model, new DiskClient(active).read(0, SIZE));
    }

    private void awaitNoLeftovers() {
        while (store.ids().stream().anyMatch(id -> !id.kind().isDisk())) {
            disks.removeGarbage(operation);
            operation.checkpoint();
        }
    }

    private void assertInOrder(VolumeId id) {
        try (OpenVolume open = engine.open(store.open(id, false), false)) {
            VhdCheck.Result result = new VhdCheck(clock).check(open.access(operation));
            assertEquals(List.of(), result.findings(), id.toString());
        }
    }

    private UUID snapshot() {
        UUID snapshot = new UUID(8, random.nextLong());
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        return snapshot;
    }

    private Merge leafMerge(Direction direction) {
        return disks.merges(operation).stream()
                .filter(Merge::isLeaf)
                .findFirst()
                .map(merge -> towards(merge, direction))
                .orElseThrow();
    }

    private static Merge towards(Merge merge, Direction direction) {
        return new Merge(
                merge.child(),
                merge.parent(),
                direction,
                merge.isLeaf(),
                merge.disks(),
                merge.root(),
                merge.depth(),
                merge.bytes());
    }

    /** An operation that leaves writers time to be everywhere while it copies. */
    private Operation slow() {
        Operation slow = Operation.within("slow merge", clock, 120, TimeUnit.SECONDS);
        slow.limit(60L << 20);
        return slow;
    }

    /** What was the leaf until a moment ago may not be closed yet. */
    private RunningMerge begin(Merge merge, Operation under) {
        while (true) {
            try {
                return disks.merge(merge, under);
            } catch (StorageException e) {
                assertEquals(ErrorCode.SR_VDI_IN_USE, e.code());
                operation.checkpoint();
            }
        }
    }

    // ---- tests

    @ParameterizedTest
    @EnumSource(Direction.class)
    void aLeafIsMergedWhileItIsWritten(Direction direction) throws InterruptedException {
        fill(0, SIZE / 2);
        List<Thread> writers = startWriters();
        for (int round = 0; round < 3; round++) {
            UUID snapshot = snapshot();
            disks.destroy(snapshot, operation);
            Operation slow = slow();
            RunningMerge running = begin(leafMerge(direction), slow);
            assertEquals(direction, running.direction());
            Optional<Merged> merged = running.finish(slow);
            assertTrue(merged.isPresent());
            assertEquals(1, merged.get().changes().removed().size());
            assertEquals(1, active.depth());
        }
        end(writers);
        verify();
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void aMergeGoesOnWhenTheDiskGetsAnotherLeaf(Direction direction) throws InterruptedException {
        fill(0, SIZE);
        UUID first = snapshot();
        fill(0, SIZE);
        disks.destroy(first, operation);
        List<Thread> writers = startWriters();
        Operation slow = slow();
        RunningMerge running = begin(leafMerge(direction), slow);
        byte[] then;
        UUID second = snapshot();
        Optional<Merged> merged = running.finish(slow);
        assertEquals(direction == Direction.DOWN, merged.isPresent(), "upward it ends");
        end(writers);
        then = read(second);
        verify();
        assertArrayEquals(then, read(second), "the snapshot is what it was");
        assertEquals(direction == Direction.DOWN ? 2 : 3, active.depth());
    }

    private byte[] read(UUID disk) {
        ActiveVdi view = disks.activate(disk, false, operation);
        byte[] content = new DiskClient(view).read(0, SIZE);
        view.close(operation);
        return content;
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void nodesAreMergedUnderDisksThatAreRead(Direction direction) throws InterruptedException {
        fill(0, SIZE / 2);
        UUID first = snapshot();
        fill(SIZE / 4, SIZE / 2);
        UUID second = snapshot();
        fill(SIZE / 2, SIZE / 4);
        byte[] then = read(second);
        disks.destroy(first, operation);
        ActiveVdi other = disks.activate(second, false, operation);
        List<Thread> writers = startWriters();
        Merge inner =
                disks.merges(operation).stream().filter(each -> !each.isLeaf()).findFirst().get();
        assertEquals(2, inner.disks().size());
        Optional<Merged> merged = begin(towards(inner, direction), slow()).finish(operation);
        assertTrue(merged.isPresent());
        assertEquals(List.of(), merged.get().unchanged());
        assertEquals(2, active.depth());
        assertEquals(2, other.depth());
        assertArrayEquals(then, new DiskClient(other).read(0, SIZE));
        end(writers);
        other.close(operation);
        verify();
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void detachingAndResizingEndAMerge(Direction direction) throws InterruptedException {
        fill(0, SIZE);
        disks.destroy(snapshot(), operation);
        fill(0, SIZE / 2);
        List<Thread> writers = startWriters();
        RunningMerge first = begin(leafMerge(direction), slow());
        disks.resize(vdi, 2 * SIZE, operation);
        assertTrue(first.finish(operation).isEmpty());
        RunningMerge second = begin(leafMerge(direction), slow());
        end(writers);
        active.close(operation);
        assertTrue(second.finish(operation).isEmpty());
        active = disks.activate(vdi, true, operation);
        assertArrayEquals(model, new DiskClient(active).read(0, SIZE));
        assertTrue(begin(leafMerge(direction), operation).finish(operation).isPresent());
        assertEquals(2L * SIZE, active.device().geometry().sizeBytes());
        verify();
    }

    @Test
    void aMergeOfADetachedDiskEndsWhenItIsAttached() {
        fill(0, SIZE);
        disks.destroy(snapshot(), operation);
        fill(0, SIZE / 2);
        active.close(operation);
        RunningMerge running = begin(leafMerge(Direction.DOWN), slow());
        active = disks.activate(vdi, true, operation);
        fill(PAGE, PAGE);
        assertTrue(running.finish(operation).isEmpty());
        verify();
    }

    @Test
    void aMergeThatIsCancelledChangesNothing() {
        fill(0, SIZE);
        disks.destroy(snapshot(), operation);
        fill(0, SIZE / 2);
        Operation slow = slow();
        RunningMerge running = begin(leafMerge(Direction.DOWN), slow);
        slow.cancel();
        StorageException e = assertThrows(StorageException.class, () -> running.finish(slow));
        assertEquals(ErrorCode.TASK_CANCELLED, e.code());
        assertEquals(2, active.depth());
        verify();
        assertEquals(2, active.depth());
    }

    /** What an image without a readable parent rests on could be any node, so none is touched. */
    @Test
    void nothingIsMergedBesideAnImageThatCannotBeRead() {
        fill(0, SIZE);
        disks.destroy(snapshot(), operation);
        fill(0, PAGE);
        VolumeId bad = new VolumeId(VolumeKind.VHD, new UUID(9, 9));
        store.commit(List.of(new VolumeChange.Create(bad, 4096, Map.of())));
        assertEquals(List.of(), disks.merges(operation));
        assertFalse(store.ids().isEmpty());
        store.commit(List.of(new VolumeChange.Delete(bad)));
        assertEquals(1, disks.merges(operation).size());
    }

    /** The parents of disks are found again by everybody once two images are one. */
    @Test
    void longChainsBecomeShort() {
        fill(0, SIZE);
        List<UUID> snapshots = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            snapshots.add(snapshot());
            fill(random.nextInt(SIZE / PAGE - 4) * PAGE, 3 * PAGE);
        }
        assertEquals(61, active.depth());
        Collections.shuffle(snapshots, random);
        int merges = 0;
        for (UUID snapshot : snapshots) {
            disks.destroy(snapshot, operation);
            List<Merge> possible = disks.merges(operation);
            if (!possible.isEmpty() && random.nextInt(3) > 0) {
                assertTrue(begin(possible.getFirst(), operation).finish(operation).isPresent());
                merges++;
            }
        }
        while (true) {
            List<Merge> possible = disks.merges(operation);
            if (possible.isEmpty()) {
                break;
            }
            assertTrue(begin(possible.getFirst(), operation).finish(operation).isPresent());
        }
        assertTrue(merges > 15);
        assertEquals(1, active.depth());
        verify();
    }
}
