// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** How large disks may be, and what a scan makes of images that are not in order. */
class DiskSizesTest {
    private static final long LARGEST = 2040L << 30;
    private static final Map<VolumeKind, ImageFormat> FORMATS =
            Map.of(VolumeKind.VHD, new VhdFormat(Clock.system()), VolumeKind.RAW, new RawFormat());

    @TempDir Path directory;
    private final Operation operation = Operation.unbounded("test", Clock.system());
    private VdiEngine engine;
    private FolderStore store;
    private Disks disks;
    private volatile Throwable trouble;

    @BeforeEach
    void start() {
        engine =
                new VdiEngine(
                        EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        store = new FolderStore(directory);
        disks = new Disks(store, engine, FORMATS, RandomSource.secure());
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private VdiInfo create(VolumeKind kind, long size) {
        return disks.create(
                new VdiSpec(UUID.randomUUID(), kind, size, "disk", "", false), operation);
    }

    private void assertRefused(ErrorCode code, VolumeKind kind, long size, long limit) {
        StorageException refused =
                assertThrows(StorageException.class, () -> create(kind, size), "size " + size);
        assertEquals(code, refused.code());
        assertEquals(Long.toString(limit), refused.params().get(1));
        assertEquals(List.of(), store.list());
    }

    @Test
    void refusesSizesThatNoDiskHas() {
        long vhd = VhdFormat.UNIT_BYTES;
        assertRefused(ErrorCode.VDI_TOO_SMALL, VolumeKind.VHD, 0, vhd);
        assertRefused(ErrorCode.VDI_TOO_SMALL, VolumeKind.VHD, -1, vhd);
        assertRefused(ErrorCode.VDI_TOO_SMALL, VolumeKind.VHD, Long.MIN_VALUE, vhd);
        assertRefused(ErrorCode.VDI_TOO_LARGE, VolumeKind.VHD, LARGEST + 1, LARGEST);
        assertRefused(ErrorCode.VDI_TOO_LARGE, VolumeKind.VHD, Long.MAX_VALUE, LARGEST);
        assertRefused(ErrorCode.VDI_TOO_SMALL, VolumeKind.RAW, 0, RawFormat.UNIT_BYTES);
        assertRefused(ErrorCode.VDI_TOO_LARGE, VolumeKind.RAW, Long.MAX_VALUE, 1L << 50);
    }

    @Test
    void roundsSizesUp() {
        assertEquals(2 << 20, create(VolumeKind.VHD, 1).virtualSizeBytes());
        assertEquals(2 << 20, create(VolumeKind.VHD, 2 << 20).virtualSizeBytes());
        assertEquals(4 << 20, create(VolumeKind.VHD, (2 << 20) + 1).virtualSizeBytes());
        assertEquals(4 << 20, create(VolumeKind.VHD, 3 << 20).virtualSizeBytes());
        assertEquals(4096, create(VolumeKind.RAW, 1).virtualSizeBytes());
        assertEquals(8192, create(VolumeKind.RAW, 4097).virtualSizeBytes());
    }

    @Test
    void servesTheLargestDiskToItsLastSector() {
        VdiInfo info = create(VolumeKind.VHD, LARGEST);
        assertEquals(LARGEST, info.virtualSizeBytes());
        VolumeId id = new VolumeId(VolumeKind.VHD, info.uuid());
        byte[] data = new byte[1024];
        Arrays.fill(data, (byte) 9);
        for (int round = 0; round < 2; round++) {
            ActiveVdi vdi =
                    engine.activate(
                            info.uuid(),
                            store.open(id, true),
                            FORMATS.get(VolumeKind.VHD),
                            true,
                            operation);
            DiskClient client = new DiskClient(vdi);
            if (round == 0) {
                client.write(LARGEST - 1024, data);
                client.write(0, data);
            }
            assertArrayEquals(data, client.read(LARGEST - 1024, 1024));
            assertArrayEquals(data, client.read(0, 1024));
            assertArrayEquals(new byte[512], client.read(LARGEST - 1536, 512));
            assertArrayEquals(new byte[4096], client.read(1L << 40, 4096));
            assertEquals(3, client.extents(0, LARGEST).count());
            vdi.close(operation);
        }
        assertInstanceOf(VdiState.Valid.class, disks.find(info.uuid()).orElseThrow().state());
        assertThrows(
                StorageException.class, () -> disks.resize(info.uuid(), LARGEST + 1, operation));
        disks.destroy(info.uuid(), operation);
    }

    @Test
    void growsAnIdleDiskAndRefusesToShrinkIt() {
        VdiInfo info = create(VolumeKind.VHD, 2 << 20);
        assertEquals(LARGEST, disks.resize(info.uuid(), LARGEST, operation).virtualSizeBytes());
        StorageException refused =
                assertThrows(
                        StorageException.class,
                        () -> disks.resize(info.uuid(), 4 << 20, operation));
        assertEquals(ErrorCode.VDI_TOO_SMALL, refused.code());
        assertEquals(LARGEST, disks.find(info.uuid()).orElseThrow().virtualSizeBytes());
    }

    @Test
    void oneBadImageIsQuarantinedAndTheScanGoesOn() throws IOException {
        VdiInfo good = create(VolumeKind.VHD, 2 << 20);
        VdiInfo bad = create(VolumeKind.VHD, 2 << 20);
        Path file = store.path(new VolumeId(VolumeKind.VHD, bad.uuid()));
        Files.write(file, new byte[8192]);
        List<VdiInfo> found = disks.scan(operation);
        assertEquals(2, found.size());
        for (VdiInfo info : found) {
            if (info.uuid().equals(good.uuid())) {
                assertInstanceOf(VdiState.Valid.class, info.state());
            } else {
                assertInstanceOf(VdiState.Quarantined.class, info.state());
            }
        }
        Files.write(file, new byte[0]);
        assertInstanceOf(VdiState.Quarantined.class, disks.find(bad.uuid()).orElseThrow().state());
        disks.destroy(bad.uuid(), operation);
        assertTrue(disks.find(bad.uuid()).isEmpty());
    }
}
