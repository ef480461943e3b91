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
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.cbt.ChangeLogHeader;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.ForwardingStore;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Changed blocks of disks, through all that can be done with a disk. */
class TrackedDisksTest {
    private static final int BLOCK = ChangedBlocks.BLOCK_BYTES;
    private static final long SIZE = 8 << 20;
    private static final int BLOCKS = (int) (SIZE / BLOCK);

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private VdiEngine engine;
    private FolderStore store;
    private Disks disks;
    private volatile boolean refusesCommits;
    private volatile boolean brokenLogs;
    private Throwable trouble;
    private UUID disk;
    private ActiveVdi active;

    @BeforeEach
    void start() {
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(2));
        store = new FolderStore(directory);
        restart();
    }

    private void restart() {
        disks =
                new Disks(
                        new TroubledStore(),
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

    /** A store whose commits of several changes fail, and whose logs cannot be written. */
    private final class TroubledStore extends ForwardingStore {
        TroubledStore() {
            super(store);
        }

        @Override
        public void commit(List<VolumeChange> changes) {
            if (refusesCommits && changes.size() > 1) {
                throw ErrorCode.SR_IO_ERROR.because("the commit failed");
            }
            super.commit(changes);
        }

        @Override
        public StoreVolume open(VolumeId id, boolean writable) {
            StoreVolume volume = super.open(id, writable);
            return id.kind() == VolumeKind.CBT_LOG ? new TroubledLog(volume) : volume;
        }
    }

    private final class TroubledLog extends ForwardingStore.Volume {
        private final BlockDevice device;

        TroubledLog(StoreVolume volume) {
            super(volume);
            device = new TroubledDevice(volume.device());
        }

        @Override
        public BlockDevice device() {
            return device;
        }
    }

    private final class TroubledDevice implements BlockDevice {
        private final BlockDevice device;

        TroubledDevice(BlockDevice device) {
            this.device = device;
        }

        @Override
        public Geometry geometry() {
            return device.geometry();
        }

        @Override
        public Set<BlockFeature> features() {
            return device.features();
        }

        @Override
        public void submit(BlockRequest request) {
            if (brokenLogs && request.op == BlockOp.WRITE) {
                request.complete(IoStatus.IO_ERROR);
            } else {
                device.submit(request);
            }
        }

        @Override
        public void close() {
            device.close();
        }
    }

    private void make(VolumeKind kind, long size) {
        disk = UUID.randomUUID();
        disks.create(new VdiSpec(disk, kind, size, "disk", "mine", false), operation);
    }

    private void makeTracked() {
        make(VolumeKind.VHD, SIZE);
        assertTrue(disks.trackChanges(disk, true, operation).cbtEnabled());
    }

    private DiskClient attach() {
        active = disks.activate(disk, true, operation);
        return new DiskClient(active);
    }

    private void detach() {
        active.close(operation);
    }

    private UUID snapshot() {
        UUID snapshot = UUID.randomUUID();
        disks.snapshot(List.of(new SnapshotSpec(disk, snapshot)), operation);
        return snapshot;
    }

    private static byte[] data(int length) {
        byte[] data = new byte[length];
        Arrays.fill(data, (byte) 7);
        return data;
    }

    /** Attaches the disk, writes a little to each block, and detaches it. */
    private void write(int... blocks) {
        DiskClient client = attach();
        for (int block : blocks) {
            client.write((long) block * BLOCK + 4096, data(512));
        }
        detach();
    }

    private Set<Integer> between(UUID from, UUID to) {
        ChangedBlocks changed = disks.changedBlocks(from, to, operation);
        Set<Integer> blocks = new TreeSet<>();
        for (int i = 0; i < (changed.sizeBytes() + BLOCK - 1) / BLOCK; i++) {
            if (changed.contains(i)) {
                blocks.add(i);
            }
        }
        return blocks;
    }

    private static Set<Integer> range(int from, int to) {
        Set<Integer> blocks = new TreeSet<>();
        for (int i = from; i < to; i++) {
            blocks.add(i);
        }
        return blocks;
    }

    private void assertRefused(ErrorCode code, Runnable what) {
        assertEquals(code, assertThrows(StorageException.class, what::run).code());
    }

    private void assertNotOneLine(UUID from, UUID to) {
        assertRefused(ErrorCode.CBT_CHANGED_BLOCKS, () -> between(from, to));
    }

    private Path log(UUID vdi) {
        return store.path(new VolumeId(VolumeKind.CBT_LOG, vdi));
    }

    private ChangeLogHeader header(UUID vdi) {
        try {
            return ChangeLogHeader.parse(Files.readAllBytes(log(vdi)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    // ---- intervals

    @ParameterizedTest
    @EnumSource(
            value = VolumeKind.class,
            names = {"VHD", "RAW"})
    void notesWhatIsWrittenDiscardedAndMadeZero(VolumeKind kind) {
        make(kind, SIZE);
        disks.trackChanges(disk, true, operation);
        DiskClient client = attach();
        client.write(BLOCK - 512, data(1024));
        client.discard(4L * BLOCK, 4096);
        client.writeZeroes(6L * BLOCK, 2 * BLOCK, BlockRequest.NO_HOLE);
        client.writeDurably(SIZE - 512, data(512));
        detach();
        byte[] bytes = readLog(disk);
        assertEquals("11001011", bits(bytes[48]));
        assertEquals("00000001", bits(bytes[48 + BLOCKS / 8 - 1]));
        assertTrue(header(disk).consistent());
    }

    private byte[] readLog(UUID vdi) {
        try {
            return Files.readAllBytes(log(vdi));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String bits(byte value) {
        String digits = Integer.toBinaryString(0x100 | Byte.toUnsignedInt(value)).substring(1);
        return new StringBuilder(digits).reverse().toString();
    }

    @Test
    void comparesSnapshotsOfADiskThatIsInUse() {
        makeTracked();
        DiskClient client = attach();
        client.write(0, data(BLOCK));
        UUID first = snapshot();
        client.write(3L * BLOCK, data(512));
        client.flush();
        client.write(3L * BLOCK, data(512));
        UUID second = snapshot();
        client.write(5L * BLOCK, data(512));
        assertEquals(Set.of(3), between(first, second));
        assertEquals(Set.of(5), between(second, disk));
        assertEquals(Set.of(3, 5), between(first, disk));
        assertEquals(Set.of(), between(first, first));
        assertNotOneLine(second, first);
        assertEquals(List.of(second, first), disks.comparable(disk, operation));
        detach();
        assertEquals(Set.of(3, 5), between(first, disk));
        assertTrue(disks.find(second).orElseThrow().cbtEnabled());
        restart();
        assertEquals(Set.of(3, 5), between(first, disk));
        assertEquals(3, disks.scan(operation).stream().filter(VdiInfo::cbtEnabled).count());
    }

    @Test
    void comparesSnapshotsOfADiskThatIsNotInUse() {
        makeTracked();
        UUID first = snapshot();
        write(1, 2);
        UUID second = snapshot();
        UUID same = snapshot();
        write(2, 100);
        assertEquals(Set.of(1, 2), between(first, second));
        assertEquals(Set.of(), between(second, same));
        assertEquals(Set.of(1, 2, 100), between(first, disk));
    }

    /** Chains of logs as other programs follow them. */
    @Test
    void linksLogsBothWays() {
        makeTracked();
        UUID first = snapshot();
        DiskClient client = attach();
        UUID second = snapshot();
        client.write(0, data(512));
        detach();
        assertEquals(Optional.empty(), header(first).parent());
        assertEquals(Optional.of(second), header(first).child());
        assertEquals(Optional.of(first), header(second).parent());
        assertEquals(Optional.of(disk), header(second).child());
        assertEquals(Optional.of(second), header(disk).parent());
        assertEquals(Optional.empty(), header(disk).child());
        for (UUID vdi : List.of(first, second, disk)) {
            assertTrue(header(vdi).consistent());
            assertEquals(SIZE, header(vdi).sizeBytes());
        }
    }

    @Test
    void aCloneTakesNothingFromTheLineOfItsSource() {
        makeTracked();
        UUID first = snapshot();
        DiskClient client = attach();
        client.write(0, data(512));
        UUID clone = UUID.randomUUID();
        disks.clone(disk, clone, operation);
        client.write(BLOCK, data(512));
        detach();
        assertFalse(disks.find(clone).orElseThrow().cbtEnabled());
        assertEquals(Set.of(0, 1), between(first, disk));
        assertRefused(ErrorCode.VDI_NO_CBT_METADATA, () -> between(first, clone));
    }

    // ---- lines

    @Test
    void aRevertStartsANewLine() {
        makeTracked();
        write(0);
        UUID first = snapshot();
        write(1);
        UUID second = snapshot();
        write(2);
        disks.revert(disk, first, operation);
        assertEquals(Set.of(), between(first, disk));
        write(9);
        assertEquals(Set.of(9), between(first, disk));
        assertNotOneLine(second, disk);
        assertEquals(Set.of(1), between(first, second));
        UUID third = snapshot();
        write(10);
        assertEquals(Set.of(9), between(first, third));
        assertEquals(Set.of(9, 10), between(first, disk));
        assertNotOneLine(second, third);
        assertEquals(List.of(third, first), disks.comparable(disk, operation));
    }

    @Test
    void aSnapshotThatGoesLeavesWhatItsLogSaysToTheNext() {
        makeTracked();
        UUID first = snapshot();
        write(1);
        UUID second = snapshot();
        write(2);
        UUID third = snapshot();
        DiskClient client = attach();
        client.write(3L * BLOCK, data(512));
        disks.destroy(second, operation);
        assertFalse(Files.exists(log(second)));
        assertEquals(Set.of(1, 2), between(first, third));
        assertEquals(Set.of(1, 2, 3), between(first, disk));
        assertEquals(Optional.of(third), header(first).child());
        disks.destroy(third, operation);
        client.write(4L * BLOCK, data(512));
        assertEquals(Set.of(1, 2, 3, 4), between(first, disk));
        detach();
        assertEquals(Set.of(1, 2, 3, 4), between(first, disk));
        assertEquals(Optional.of(disk), header(first).child());
        disks.destroy(first, operation);
        disks.destroy(disk, operation);
        assertEquals(List.of(), store.list());
    }

    @Test
    void aSnapshotOfTwoLinesLeavesWhatItsLogSaysToBoth() {
        makeTracked();
        UUID root = snapshot();
        write(1);
        UUID fork = snapshot();
        write(2);
        UUID branch = snapshot();
        disks.revert(disk, fork, operation);
        write(3);
        disks.destroy(fork, operation);
        assertEquals(Set.of(1, 2), between(root, branch));
        assertEquals(Set.of(1, 3), between(root, disk));
    }

    @Test
    void theLogOfASnapshotOutlivesItsData() throws IOException {
        makeTracked();
        UUID first = snapshot();
        write(1);
        UUID second = snapshot();
        write(2);
        long before = store.list().stream().filter(volume -> volume.id().kind().isDisk()).count();
        DiskChanges changes = disks.destroyData(first, operation);
        long after = store.list().stream().filter(volume -> volume.id().kind().isDisk()).count();
        assertTrue(after < before);
        VdiInfo left = changes.changed().getFirst();
        assertEquals(left, disks.find(first).orElseThrow());
        assertTrue(disks.scan(operation).contains(left));
        assertEquals(VolumeKind.CBT_LOG, left.kind());
        assertEquals(SIZE, left.virtualSizeBytes());
        assertEquals("disk", left.label());
        assertEquals(Optional.of(disk), left.snapshot().flatMap(SnapshotMark::of));
        assertInstanceOf(VdiState.Valid.class, left.state());
        assertEquals(Set.of(1), between(first, second));
        assertEquals(Set.of(1, 2), between(first, disk));
        assertRefused(ErrorCode.VDI_NOT_ON_STORAGE, () -> disks.activate(first, false, operation));
        disks.destroyData(second, operation);
        disks.destroy(second, operation);
        assertEquals(Set.of(1, 2), between(first, disk));
        disks.destroy(first, operation);
        assertTrue(disks.find(first).isEmpty());
        assertEquals(List.of(), disks.comparable(disk, operation));
    }

    @Test
    void refusesToRemoveDataWithoutALogOrOfADisk() {
        makeTracked();
        assertRefused(ErrorCode.OPERATION_NOT_ALLOWED, () -> disks.destroyData(disk, operation));
        UUID snapshot = snapshot();
        disks.trackChanges(snapshot, false, operation);
        assertRefused(ErrorCode.VDI_NO_CBT_METADATA, () -> disks.destroyData(snapshot, operation));
        assertRefused(
                ErrorCode.OPERATION_NOT_ALLOWED,
                () -> disks.trackChanges(snapshot, true, operation));
    }

    @Test
    void aTrackedSnapshotIsNotWritten() {
        makeTracked();
        UUID snapshot = snapshot();
        assertRefused(ErrorCode.VDI_CBT_ENABLED, () -> disks.activate(snapshot, true, operation));
        disks.activate(snapshot, false, operation).close(operation);
    }

    // ---- failures

    @Test
    void whatFailsLeavesTheLineAsItWas() {
        makeTracked();
        UUID first = snapshot();
        write(1);
        UUID second = snapshot();
        write(2);
        List<ChangeLogHeader> before = headers(first, second);
        refusesCommits = true;
        assertRefused(ErrorCode.SR_IO_ERROR, this::snapshot);
        assertEquals(before, headers(first, second));
        assertRefused(ErrorCode.SR_IO_ERROR, () -> disks.destroy(second, operation));
        assertEquals(before, headers(first, second));
        assertRefused(ErrorCode.SR_IO_ERROR, () -> disks.revert(disk, first, operation));
        assertEquals(before, headers(first, second));
        DiskClient client = attach();
        assertRefused(ErrorCode.SR_IO_ERROR, this::snapshot);
        assertRefused(ErrorCode.SR_IO_ERROR, () -> disks.destroy(second, operation));
        client.write(3L * BLOCK, data(512));
        detach();
        assertEquals(before, headers(first, second));
        refusesCommits = false;
        assertEquals(Set.of(1), between(first, second));
        assertTrue(between(second, disk).containsAll(Set.of(2, 3)));
        assertTrue(
                store.list().stream().noneMatch(v -> v.id().kind() == VolumeKind.INCOMING),
                "nothing is left over");
    }

    private List<ChangeLogHeader> headers(UUID first, UUID second) {
        return List.of(header(first), header(second), header(disk));
    }

    /** Done without a note, a change would be missing in the next backup. */
    @Test
    void aChangeFailsThatCannotBeNoted() {
        make(VolumeKind.VHD, SIZE);
        DiskClient client = attach();
        client.write(0, data(BLOCK));
        client.flush();
        disks.trackChanges(disk, true, operation);
        client.write(0, data(512));
        brokenLogs = true;
        assertEquals(IoStatus.OK, client.tryWrite(512, data(512), 0));
        client.write(7L * BLOCK, data(512));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(7L * BLOCK, data(512), 0));
        assertArrayEquals(data(512), client.read(0, 512));
        assertThrows(StorageException.class, this::detach);
        brokenLogs = false;
        assertArrayEquals(data(512), new DiskClient(reattached()).read(0, 512));
        detach();
    }

    // ---- on and off

    @Test
    void beginsAndEndsWhileTheDiskIsInUse() {
        make(VolumeKind.VHD, SIZE);
        DiskClient client = attach();
        client.write(0, data(512));
        disks.trackChanges(disk, true, operation);
        client.write(BLOCK, data(512));
        UUID first = snapshot();
        client.write(2L * BLOCK, data(512));
        client.write(0, data(512));
        assertEquals(Set.of(0, 2), between(first, disk));
        assertFalse(disks.trackChanges(disk, false, operation).cbtEnabled());
        client.write(3L * BLOCK, data(512));
        assertRefused(ErrorCode.VDI_NO_CBT_METADATA, () -> between(first, disk));
        disks.trackChanges(disk, true, operation);
        disks.trackChanges(disk, true, operation);
        client.write(4L * BLOCK, data(512));
        assertNotOneLine(first, disk);
        detach();
        assertNotOneLine(first, disk);
        assertArrayEquals(data(512), new DiskClient(reattached()).read(3L * BLOCK, 512));
        detach();
    }

    private ActiveVdi reattached() {
        attach();
        return active;
    }

    // ---- size

    @Test
    void whatIsNewInALargerDiskHasChanged() {
        makeTracked();
        UUID first = snapshot();
        DiskClient client = attach();
        client.write(0, data(512));
        long larger = SIZE + (64 << 20);
        disks.resize(disk, larger, operation);
        client.write(2L * BLOCK, data(512));
        client.write(larger - 512, data(512));
        Set<Integer> expected = range(BLOCKS, (int) (larger / BLOCK));
        expected.addAll(Set.of(0, 2));
        assertEquals(expected, between(first, disk));
        detach();
        assertEquals(expected, between(first, disk));
        UUID second = snapshot();
        disks.resize(disk, larger + SIZE, operation);
        assertEquals(
                range((int) (larger / BLOCK), (int) ((larger + SIZE) / BLOCK)),
                between(second, disk));
        assertEquals(larger + SIZE, header(disk).sizeBytes());
        assertEquals(expected, between(first, second));
    }

    /** A crash between the two steps of a resize leaves a log that is too small. */
    @Test
    void aLogThatIsTooSmallMeansThatTheRestHasChanged() throws IOException {
        makeTracked();
        UUID first = snapshot();
        byte[] small = Files.readAllBytes(log(disk));
        disks.resize(disk, 2 * SIZE, operation);
        Files.write(log(disk), small);
        assertEquals(range(BLOCKS, 2 * BLOCKS), between(first, disk));
        write(1);
        Set<Integer> expected = range(BLOCKS, 2 * BLOCKS);
        expected.add(1);
        assertEquals(expected, between(first, disk));
        assertEquals(2 * SIZE, header(disk).sizeBytes());
    }

    // ---- logs that cannot be trusted

    @Test
    void everythingHasChangedWhenAnotherProgramLeftTheLogOpen() throws IOException {
        makeTracked();
        UUID first = snapshot();
        write(1);
        patch(log(disk), 32, new byte[8]);
        assertEquals(range(0, BLOCKS), between(first, disk));
        write(2);
        assertEquals(range(0, BLOCKS), between(first, disk));
        UUID second = snapshot();
        write(3);
        assertEquals(Set.of(3), between(second, disk));
    }

    @Test
    void everythingHasChangedWhenALogIsDamaged() throws IOException {
        makeTracked();
        UUID first = snapshot();
        write(1);
        for (byte[] damaged : List.of(new byte[0], new byte[4096], data(8192))) {
            Files.write(log(disk), damaged);
            assertEquals(range(0, BLOCKS), between(first, disk));
        }
        byte[] cut = Arrays.copyOf(readLog(first), 60);
        Files.write(log(disk), cut);
        write(2);
        assertEquals(range(0, BLOCKS), between(first, disk));
        UUID second = snapshot();
        write(3);
        assertEquals(Set.of(3), between(second, disk));
    }

    private static void patch(Path file, long at, byte[] bytes) throws IOException {
        try (var channel = Files.newByteChannel(file, StandardOpenOption.WRITE)) {
            channel.position(at);
            channel.write(java.nio.ByteBuffer.wrap(bytes));
        }
    }

    /** cbt-util makes files that end with the bitmap. */
    @Test
    void readsLogsThatEndWithTheirBitmap() throws IOException {
        long size = 256L << 20;
        make(VolumeKind.VHD, size);
        disks.trackChanges(disk, true, operation);
        UUID first = snapshot();
        write(1);
        for (UUID vdi : List.of(first, disk)) {
            Files.write(log(vdi), Arrays.copyOf(readLog(vdi), 48 + (int) (size / BLOCK / 8)));
        }
        assertEquals(Set.of(1), between(first, disk));
        write(2);
        assertEquals(Set.of(1, 2), between(first, disk));
    }
}
