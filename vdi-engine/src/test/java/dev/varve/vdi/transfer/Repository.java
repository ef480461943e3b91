// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskContent;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.function.Executable;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** A repository in a folder, with the content that its disks should have. */
final class Repository implements AutoCloseable {
    static final int BLOCK = 2 << 20;

    final Clock clock = Clock.system();
    final Operation operation = Operation.within("test", clock, 300, TimeUnit.SECONDS);
    final VhdFormat format = new VhdFormat(clock);
    final Map<UUID, byte[]> models = new HashMap<>();
    final Random random = new Random(7);
    final FolderStore store;
    final Disks disks;
    private final VdiEngine engine;
    private volatile Throwable trouble;

    Repository(Path folder) throws IOException {
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(2));
        store = new FolderStore(Files.createDirectories(folder));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(VolumeKind.VHD, format, VolumeKind.RAW, new RawFormat()),
                        RandomSource.secure());
    }

    @Override
    public void close() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    UUID create(VolumeKind kind, long size) {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, kind, size, "disk", "", false), operation);
        if (size < 1 << 30) {
            models.put(uuid, new byte[(int) size]);
        }
        return uuid;
    }

    UUID snapshot(UUID vdi) {
        UUID snapshot = UUID.randomUUID();
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        models.put(snapshot, models.get(vdi).clone());
        return snapshot;
    }

    /** Writes random bytes at a place. */
    void write(UUID vdi, int offset, int length) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        write(vdi, offset, data);
    }

    void write(UUID vdi, long offset, byte[] data) {
        ActiveVdi active = disks.activate(vdi, true, operation);
        new DiskClient(active).write(offset, data);
        active.close(operation);
        if (models.containsKey(vdi)) {
            System.arraycopy(data, 0, models.get(vdi), (int) offset, data.length);
        }
    }

    void discard(UUID vdi, long offset, int length) {
        ActiveVdi active = disks.activate(vdi, true, operation);
        new DiskClient(active).writeZeroes(offset, length, 0);
        active.close(operation);
        System.arraycopy(new byte[length], 0, models.get(vdi), (int) offset, length);
    }

    byte[] content(UUID vdi) {
        return content(vdi, 0, models.get(vdi).length);
    }

    byte[] content(UUID vdi, long offset, int length) {
        ActiveVdi active = disks.activate(vdi, false, operation);
        try {
            return new DiskClient(active).read(offset, length);
        } finally {
            active.close(operation);
        }
    }

    void requireModel(UUID vdi) {
        assertArrayEquals(models.get(vdi), content(vdi));
    }

    // ---- out

    DiskExport export(TransferFormat as, ActiveVdi disk) {
        return as == TransferFormat.RAW
                ? RawExport.of(disk, operation)
                : VhdExport.of(disk, format, operation);
    }

    long export(TransferFormat as, UUID vdi, WritableByteChannel sink) {
        long[] length = new long[1];
        disks.read(
                vdi,
                (disk, under) -> {
                    DiskExport export = export(as, disk);
                    length[0] = export.lengthBytes();
                    send(export, sink, under);
                },
                operation);
        return length[0];
    }

    private static void send(DiskExport export, WritableByteChannel sink, Operation under) {
        try {
            export.writeTo(sink, under);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    byte[] export(TransferFormat as, UUID vdi) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        long length = export(as, vdi, Channels.newChannel(bytes));
        assertEquals(length, bytes.size(), "the length that was announced");
        return bytes.toByteArray();
    }

    Path export(TransferFormat as, UUID vdi, Path file) throws IOException {
        try (FileChannel sink = newFile(file)) {
            assertEquals(export(as, vdi, sink), sink.size());
        }
        return file;
    }

    Path exportDifference(UUID base, UUID vdi, Path file) throws IOException {
        try (FileChannel sink = newFile(file)) {
            disks.compare(
                    base,
                    vdi,
                    (both, under) -> send(VhdExport.of(both, format, under), sink, under),
                    operation);
        }
        return file;
    }

    private static FileChannel newFile(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    // ---- in

    void replace(UUID vdi, TransferFormat as, byte[] stream) {
        replace(vdi, as, Channels.newChannel(new ByteArrayInputStream(stream)), stream.length);
    }

    void replace(UUID vdi, TransferFormat as, Path file) throws IOException {
        try (FileChannel source = FileChannel.open(file)) {
            replace(vdi, as, source, source.size());
        }
    }

    void replace(UUID vdi, TransferFormat as, ReadableByteChannel source, long length) {
        put(vdi, StreamImport.open(as, source, length, operation));
    }

    void put(UUID vdi, StreamImport stream) {
        if (stream.isOverContent()) {
            disks.overwrite(vdi, stream, operation);
        } else {
            disks.replace(vdi, stream, operation);
        }
    }

    /** A failed import changes nothing and leaves nothing. */
    StorageException requireRefused(UUID vdi, ErrorCode code, Executable work) {
        StorageException e = assertThrows(StorageException.class, work);
        assertEquals(code, e.code(), e::toString);
        requireModel(vdi);
        requireNothingIncoming();
        return e;
    }

    void requireNothingIncoming() {
        assertEquals(
                List.of(),
                store.ids().stream().filter(id -> id.kind() == VolumeKind.INCOMING).toList());
    }

    Path file(UUID vdi) {
        return store.path(new VolumeId(VolumeKind.VHD, vdi));
    }

    static DiskContent nothing() {
        return (target, under) -> {};
    }
}
