// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.UUID;

/** Disks that go out and come in again, and streams that break. */
class RoundTripTest {
    private static final int BLOCK = Repository.BLOCK;
    private static final int SIZE = 6 * BLOCK;

    @TempDir Path folder;
    private Repository repository;

    @BeforeEach
    void start() throws IOException {
        repository = new Repository(folder.resolve("store"));
    }

    @AfterEach
    void stop() {
        repository.close();
    }

    /** A chain with data in some blocks, a hole in the middle and zeros over data below. */
    private UUID chain() {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        repository.write(vdi, 0, 4096);
        repository.write(vdi, BLOCK + 512, 3 * 512);
        repository.write(vdi, 3 * BLOCK - 4096, 8192);
        repository.snapshot(vdi);
        repository.write(vdi, 4096, 512);
        repository.discard(vdi, BLOCK + 512L, 512);
        repository.snapshot(vdi);
        repository.write(vdi, 5 * BLOCK, BLOCK);
        return vdi;
    }

    @Test
    void rawIsWhatTheDiskReads() {
        UUID vdi = chain();
        assertArrayEquals(repository.models.get(vdi), repository.export(TransferFormat.RAW, vdi));
    }

    @ParameterizedTest
    @EnumSource(
            value = TransferFormat.class,
            names = {"RAW", "VHD"})
    void comesBackAsItWent(TransferFormat format) {
        UUID vdi = chain();
        byte[] stream = repository.export(format, vdi);
        for (VolumeKind kind : new VolumeKind[] {VolumeKind.VHD, VolumeKind.RAW}) {
            UUID copy = repository.create(kind, SIZE);
            repository.write(copy, 3 * BLOCK + 8192, 4096);
            repository.replace(copy, format, stream);
            repository.models.put(copy, repository.models.get(vdi).clone());
            repository.requireModel(copy);
            repository.requireNothingIncoming();
        }
    }

    /** Blocks that the disk does not hold are not in the stream. */
    @Test
    void vhdHasOnlyWhatTheDiskHolds() {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        int empty = repository.export(TransferFormat.VHD, vdi).length;
        assertTrue(empty < 8192, () -> "an empty one has " + empty + " bytes");
        repository.write(vdi, 4 * BLOCK, 512);
        assertEquals(empty + 4096 + BLOCK, repository.export(TransferFormat.VHD, vdi).length);
    }

    @Test
    void keepsIdentityAndSnapshots() {
        UUID vdi = chain();
        UUID snapshot = repository.snapshot(vdi);
        byte[] stream = repository.export(TransferFormat.VHD, snapshot);
        repository.write(vdi, 0, 8192);
        repository.replace(vdi, TransferFormat.VHD, stream);
        repository.models.put(vdi, repository.models.get(snapshot).clone());
        repository.requireModel(vdi);
        repository.requireModel(snapshot);
        assertEquals("disk", repository.disks.find(vdi).orElseThrow().label());
        repository.write(vdi, 2 * BLOCK, 4096);
        repository.requireModel(snapshot);
    }

    @Test
    void whatTheStreamDoesNotSayIsZero() {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        repository.write(vdi, BLOCK, 8192);
        byte[] shorter = new byte[BLOCK / 2 + 100];
        repository.random.nextBytes(shorter);
        repository.replace(vdi, TransferFormat.RAW, shorter);
        repository.models.put(vdi, Arrays.copyOf(shorter, SIZE));
        repository.requireModel(vdi);
    }

    // ---- differences

    @Test
    void differenceOverItsBaseIsTheDisk() throws IOException {
        UUID vdi = chain();
        UUID base = repository.snapshot(vdi);
        repository.write(vdi, 4 * BLOCK + 512, 512);
        repository.discard(vdi, 5L * BLOCK, BLOCK);
        Path difference = repository.exportDifference(base, vdi, folder.resolve("difference"));
        assertTrue(Files.size(difference) <= 2 * (BLOCK + 4096L) + 8192);
        UUID copy = repository.create(VolumeKind.VHD, SIZE);
        repository.replace(copy, TransferFormat.VHD, repository.export(TransferFormat.VHD, base));
        repository.models.put(copy, repository.models.get(base).clone());
        repository.replace(copy, TransferFormat.VHD, difference);
        repository.models.put(copy, repository.models.get(vdi).clone());
        repository.requireModel(copy);
        repository.requireNothingIncoming();
    }

    /** Backwards: what the base has and the disk has not is zero in the difference. */
    @Test
    void differenceGoesBackAsWell() throws IOException {
        UUID vdi = chain();
        UUID snapshot = repository.snapshot(vdi);
        repository.write(vdi, 4 * BLOCK, 512);
        Path difference = repository.exportDifference(vdi, snapshot, folder.resolve("difference"));
        repository.replace(vdi, TransferFormat.VHD, difference);
        repository.models.put(vdi, repository.models.get(snapshot).clone());
        repository.requireModel(vdi);
    }

    @Test
    void differenceOfUnrelatedDisksIsFoundByContent() throws IOException {
        UUID first = chain();
        UUID second = repository.create(VolumeKind.RAW, SIZE);
        repository.replace(
                second, TransferFormat.RAW, repository.export(TransferFormat.RAW, first));
        repository.models.put(second, repository.models.get(first).clone());
        repository.write(second, 4 * BLOCK + 4096, 512);
        Path difference = repository.exportDifference(first, second, folder.resolve("difference"));
        assertTrue(Files.size(difference) < 2 * BLOCK);
        repository.replace(first, TransferFormat.VHD, difference);
        repository.models.put(first, repository.models.get(second).clone());
        repository.requireModel(first);
    }

    @Test
    void differenceGoesOverRawContentToo() throws IOException {
        UUID vdi = chain();
        UUID base = repository.snapshot(vdi);
        repository.write(vdi, 4 * BLOCK, 512);
        Path difference = repository.exportDifference(base, vdi, folder.resolve("difference"));
        UUID copy = repository.create(VolumeKind.RAW, SIZE);
        repository.replace(copy, TransferFormat.RAW, repository.export(TransferFormat.RAW, base));
        repository.replace(copy, TransferFormat.VHD, difference);
        repository.models.put(copy, repository.models.get(vdi).clone());
        repository.requireModel(copy);
    }

    // ---- trouble

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 511, 512, 1000, 1536, 3000, 7680, 20_000, BLOCK, 3 * BLOCK})
    void cutVhdChangesNothing(int length) {
        UUID vdi = chain();
        byte[] stream = Arrays.copyOf(repository.export(TransferFormat.VHD, vdi), length);
        StorageException e =
                repository.requireRefused(
                        vdi,
                        ErrorCode.IMPORT_ERROR_GENERIC,
                        () -> repository.replace(vdi, TransferFormat.VHD, stream));
        assertTrue(e.params().getFirst().contains("byte"), e::toString);
    }

    @Test
    void brokenConnectionChangesNothing() {
        UUID vdi = chain();
        var broken =
                new java.nio.channels.ReadableByteChannel() {
                    @Override
                    public int read(ByteBuffer target) throws IOException {
                        throw new IOException("the peer is gone");
                    }

                    @Override
                    public boolean isOpen() {
                        return true;
                    }

                    @Override
                    public void close() {}
                };
        repository.requireRefused(
                vdi,
                ErrorCode.IMPORT_ERROR_GENERIC,
                () -> repository.replace(vdi, TransferFormat.RAW, broken, SIZE));
    }

    @Test
    void largerStreamsAreRefused() {
        UUID vdi = chain();
        repository.requireRefused(
                vdi,
                ErrorCode.VDI_TOO_SMALL,
                () -> repository.replace(vdi, TransferFormat.RAW, new byte[SIZE + 1]));
        repository.requireRefused(
                vdi,
                ErrorCode.VDI_TOO_SMALL,
                () ->
                        repository.replace(
                                vdi,
                                TransferFormat.RAW,
                                Channels.newChannel(new ByteArrayInputStream(new byte[SIZE + 1])),
                                StreamImport.UNKNOWN_LENGTH));
        UUID larger = repository.create(VolumeKind.VHD, SIZE + BLOCK);
        byte[] stream = repository.export(TransferFormat.VHD, larger);
        repository.requireRefused(
                vdi,
                ErrorCode.VDI_TOO_SMALL,
                () -> repository.replace(vdi, TransferFormat.VHD, stream));
    }

    @Test
    void attachedDisksAreRefused() {
        UUID vdi = chain();
        var active = repository.disks.activate(vdi, true, repository.operation);
        byte[] stream = new byte[512];
        StorageException in =
                org.junit.jupiter.api.Assertions.assertThrows(
                        StorageException.class,
                        () -> repository.replace(vdi, TransferFormat.RAW, stream));
        StorageException out =
                org.junit.jupiter.api.Assertions.assertThrows(
                        StorageException.class, () -> repository.export(TransferFormat.RAW, vdi));
        active.close(repository.operation);
        assertEquals(ErrorCode.SR_VDI_IN_USE, in.code());
        assertEquals(ErrorCode.SR_VDI_IN_USE, out.code());
        repository.requireNothingIncoming();
    }

    // ---- pieces

    @Test
    void piecesGoWhereTheySay() {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        byte[] early = new byte[3 << 20];
        byte[] late = new byte[1024];
        repository.random.nextBytes(early);
        repository.random.nextBytes(late);
        byte[] stream = pieces(piece(512, early), piece(1024, late), piece(0, new byte[0]));
        repository.put(vdi, chunked(stream));
        byte[] model = repository.models.get(vdi);
        System.arraycopy(early, 0, model, 512, early.length);
        System.arraycopy(late, 0, model, 1024, late.length);
        repository.requireModel(vdi);
    }

    @Test
    void piecesWithoutTheirEndChangeNothing() {
        UUID vdi = chain();
        byte[] data = new byte[4096];
        repository.requireRefused(
                vdi,
                ErrorCode.IMPORT_ERROR_GENERIC,
                () -> repository.put(vdi, chunked(piece(0, data))));
        repository.requireRefused(
                vdi,
                ErrorCode.VDI_TOO_SMALL,
                () -> repository.put(vdi, chunked(piece(Long.MAX_VALUE / 512 * 512, data))));
        repository.requireRefused(
                vdi,
                ErrorCode.IMPORT_ERROR_GENERIC,
                () -> repository.put(vdi, chunked(piece(-512, data))));
    }

    private StreamImport chunked(byte[] stream) {
        return StreamImport.chunked(
                Channels.newChannel(new ByteArrayInputStream(stream)),
                StreamImport.UNKNOWN_LENGTH,
                repository.operation);
    }

    private static byte[] piece(long offset, byte[] data) {
        return ByteBuffer.allocate(12 + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(offset)
                .putInt(data.length)
                .put(data)
                .array();
    }

    private static byte[] pieces(byte[]... pieces) {
        var all = new java.io.ByteArrayOutputStream();
        for (byte[] piece : pieces) {
            all.writeBytes(piece);
        }
        return all.toByteArray();
    }
}
