// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.ForwardingStore;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Changes of an image's role that are interrupted, and what is made of them afterwards. */
class RolePlansTest {
    private static final int SIZE = 4 << 20;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 60, TimeUnit.SECONDS);
    private final Random random = new Random(3);
    private final UUID vdi = new UUID(7, 7);
    private FolderStore folder;
    private VdiEngine engine;
    private Disks disks;
    private byte[] model = new byte[SIZE];
    private UUID leftSnapshot;
    private byte[] leftModel;

    /** A store that a host loses after some commits. */
    private static final class LostStore extends ForwardingStore {
        private final int commits;
        private int done;

        LostStore(VolumeStore store, int commits) {
            super(store);
            this.commits = commits;
        }

        @Override
        public void commit(List<VolumeChange> changes) {
            if (done == commits) {
                throw ErrorCode.SR_IO_ERROR.because("the store is away");
            }
            done++;
            super.commit(changes);
        }
    }

    private void start(VolumeStore store) {
        engine =
                new VdiEngine(
                        EngineContext.defaults(
                                        clock,
                                        (lane, thrown) -> {
                                            throw new AssertionError(thrown);
                                        })
                                .withLanes(1));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(VolumeKind.VHD, new VhdFormat(clock)),
                        RandomSource.of(random));
    }

    @AfterEach
    void stop() {
        if (engine != null) {
            engine.close();
        }
    }

    private void write(int from, int length) {
        ActiveVdi active = disks.activate(vdi, true, operation);
        byte[] data = new byte[length];
        random.nextBytes(data);
        new DiskClient(active).write(from, data);
        System.arraycopy(data, 0, model, from, length);
        active.close(operation);
    }

    private UUID snapshot() {
        UUID snapshot = new UUID(8, random.nextLong());
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        return snapshot;
    }

    private byte[] read(UUID disk) {
        ActiveVdi view = disks.activate(disk, false, operation);
        byte[] content = new DiskClient(view).read(0, SIZE);
        view.close(operation);
        return content;
    }

    /** A disk and a snapshot on two inner nodes that can be merged. */
    private void makeTree() {
        folder = new FolderStore(directory);
        start(folder);
        disks.create(new VdiSpec(vdi, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        write(0, SIZE / 2);
        UUID first = snapshot();
        write(SIZE / 4, SIZE / 2);
        leftSnapshot = snapshot();
        leftModel = model.clone();
        write(SIZE / 3 / 512 * 512, 4096);
        disks.destroy(first, operation);
        engine.close();
    }

    private Merge inner(Direction direction) {
        Merge merge =
                disks.merges(operation).stream().filter(each -> !each.isLeaf()).findFirst().get();
        return new Merge(
                merge.child(),
                merge.parent(),
                direction,
                false,
                merge.disks(),
                merge.root(),
                merge.depth(),
                merge.bytes());
    }

    private void checkAfterRecovery() {
        start(folder);
        disks.recover(operation);
        for (VdiInfo info : disks.scan(operation)) {
            assertEquals(new VdiState.Valid(), info.state(), info.toString());
        }
        assertArrayEquals(model, read(vdi));
        assertArrayEquals(leftModel, read(leftSnapshot));
        assertTrue(folder.ids().stream().noneMatch(id -> id.kind() == VolumeKind.JOURNAL));
    }

    @ParameterizedTest
    @CsvSource({"DOWN,0", "DOWN,1", "DOWN,2", "UP,0", "UP,1", "UP,2"})
    void isFinishedOrUndoneWhenTheStoreGoesAway(Direction direction, int commits) {
        makeTree();
        start(new LostStore(folder, commits));
        RunningMerge merge = disks.merge(inner(direction), operation);
        assertThrows(StorageException.class, () -> merge.finish(operation));
        engine.close();
        checkAfterRecovery();
        assertEquals(
                commits == 2 ? 3 : 4,
                folder.ids().stream().filter(id -> id.kind().isDisk()).count(),
                "what had its journal is finished");
    }

    /** The power goes off between any two sectors of the patches. */
    @ParameterizedTest
    @CsvSource({"DOWN", "UP"})
    void isFinishedWhenOnlySomeSectorsAreThere(Direction direction) {
        makeTree();
        start(new LostStore(folder, 2));
        RunningMerge merge = disks.merge(inner(direction), operation);
        assertThrows(StorageException.class, () -> merge.finish(operation));
        VolumeId journal =
                folder.ids().stream()
                        .filter(id -> id.kind() == VolumeKind.JOURNAL)
                        .findFirst()
                        .orElseThrow();
        PlanJournal plan;
        try (OpenVolume open = engine.open(folder.open(journal, false), false)) {
            BlockAccess access = open.access(operation);
            plan = PlanJournal.decode(access.read(0, (int) access.sizeBytes()), journal);
        }
        try (OpenVolume open = engine.open(folder.open(plan.image(), true), true)) {
            for (ImagePatch patch : plan.patches()) {
                byte[] half = Arrays.copyOf(patch.bytes(), 512);
                if (patch.bytes().length > 512) {
                    open.access(operation).write(patch.offset(), half);
                }
            }
            open.access(operation).flush();
        }
        engine.close();
        checkAfterRecovery();
        assertEquals(3, folder.ids().stream().filter(id -> id.kind().isDisk()).count());
    }

    /**
     * A store that does not say whether the merge of a leaf has happened: then the disk
     * acknowledges nothing more, since it may be found to be the other image.
     */
    @Test
    void aDiskThatMayBeAnotherImageAcknowledgesNothing() {
        folder = new FolderStore(directory);
        start(folder);
        disks.create(new VdiSpec(vdi, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        write(0, SIZE / 2);
        disks.destroy(snapshot(), operation);
        engine.close();
        start(new LostStore(folder, 0));
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        client.write(0, new byte[4096]);
        client.flush();
        Merge leaf = disks.merges(operation).stream().filter(Merge::isLeaf).findFirst().get();
        Merge down =
                new Merge(
                        leaf.child(),
                        leaf.parent(),
                        Direction.DOWN,
                        true,
                        leaf.disks(),
                        leaf.root(),
                        leaf.depth(),
                        leaf.bytes());
        RunningMerge merge = disks.merge(down, operation);
        assertThrows(StorageException.class, () -> merge.finish(operation));
        assertNotEquals(IoStatus.OK, client.run(BlockOp.FLUSH, 0, 0, 0, null));
    }

    // ---- the journal

    private static PlanJournal plan() {
        VolumeId image = new VolumeId(VolumeKind.VHD, new UUID(1, 2));
        return new PlanJournal(
                image,
                new ImageRole(
                        new UUID(3, 4),
                        true,
                        Optional.of(new ParentLink(List.of("a.vhd", "ä.vhd"), new UUID(5, 6)))),
                List.of(
                        new ImagePatch(512, new byte[1024]),
                        new ImagePatch(0, new byte[] {1, 2, 3})),
                List.of(
                        new VolumeChange.Rename(
                                image, new VolumeId(VolumeKind.INCOMING, new UUID(7, 8)))));
    }

    @Test
    void aJournalSaysWhatWasPutIntoIt() {
        VolumeId id = new VolumeId(VolumeKind.JOURNAL, new UUID(9, 9));
        byte[] bytes = plan().encode();
        assertEquals(0, bytes.length % 512);
        assertEquals(bytes.length, PlanJournal.length(Arrays.copyOf(bytes, 512), id));
        PlanJournal found = PlanJournal.decode(bytes, id);
        assertEquals(plan().image(), found.image());
        assertEquals(plan().role(), found.role());
        assertEquals(plan().renames(), found.renames());
        assertArrayEquals(bytes, found.encode());
    }

    @Test
    void aDamagedJournalIsRefused() {
        VolumeId id = new VolumeId(VolumeKind.JOURNAL, new UUID(9, 9));
        byte[] bytes = plan().encode();
        int used = 512 + ByteBuffer.wrap(bytes).getInt(12);
        for (int at = 0; at < used; at++) {
            if (at >= 20 && at < 512) {
                continue; // not used
            }
            byte[] damaged = bytes.clone();
            damaged[at] ^= 0x40;
            StorageException e =
                    assertThrows(
                            StorageException.class,
                            () -> {
                                PlanJournal.length(Arrays.copyOf(damaged, 512), id);
                                PlanJournal.decode(damaged, id);
                            });
            assertEquals(ErrorCode.SR_METADATA, e.code());
        }
    }
}
