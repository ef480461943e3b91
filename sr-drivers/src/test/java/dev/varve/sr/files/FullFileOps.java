// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreSpace;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Files on a disk that is full once it is told so: nothing can be written any more, until a file of
 * some size goes.
 */
final class FullFileOps implements FileOps {
    private static final int ROOM_BYTES = 4096;

    private final FileOps ops = new LinuxFileOps();
    private boolean full;

    void fill() {
        full = true;
    }

    @Override
    public Optional<byte[]> read(Path file) {
        return ops.read(file);
    }

    @Override
    public Optional<Entry> stat(Path file) {
        return ops.stat(file);
    }

    @Override
    public List<String> names(Path directory) {
        return ops.names(directory);
    }

    private void needRoom(Path file) {
        if (full) {
            throw ErrorCode.SR_NO_SPACE.because("there is no room for " + file);
        }
    }

    @Override
    public void write(Path file, byte[] content) {
        needRoom(file);
        ops.write(file, content);
    }

    @Override
    public void createSparse(Path file, long sizeBytes) {
        needRoom(file);
        ops.createSparse(file, sizeBytes);
    }

    @Override
    public void rename(Path from, Path to) {
        ops.rename(from, to);
    }

    @Override
    public void link(Path existing, Path name) {
        ops.link(existing, name);
    }

    @Override
    public void delete(Path file) {
        boolean gaveRoom = ops.stat(file).filter(e -> e.sizeBytes() >= ROOM_BYTES).isPresent();
        ops.delete(file);
        full &= !gaveRoom;
    }

    @Override
    public void makeDirectory(Path directory) {
        ops.makeDirectory(directory);
    }

    @Override
    public void syncDirectory(Path directory) {
        ops.syncDirectory(directory);
    }

    @Override
    public Lock lock(Path file) {
        return ops.lock(file);
    }

    @Override
    public Lock attach(Path file, Runnable whenAlone) {
        return ops.attach(file, whenAlone);
    }

    @Override
    public StoreSpace space(Path directory) {
        return ops.space(directory);
    }
}
