// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd.tool;

import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.vhd.VhdChain;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The files of one directory, as those that images rest on. Keeps open what was asked for.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class Directory implements VhdChain.Neighbours, AutoCloseable {
    private final Path path;
    private final List<FileAccess> open = new ArrayList<>();

    /** The directory that a file is in. */
    Directory(Path file) {
        this.path = file.toAbsolutePath().normalize().getParent();
    }

    /** A name comes from an image and is not to be trusted: it leads nowhere else. */
    @Override
    public Optional<BlockAccess> open(String name) {
        if (path == null || name.isEmpty() || name.indexOf('/') >= 0 || name.indexOf('\0') >= 0) {
            return Optional.empty();
        }
        Path file = path.resolve(name);
        if (!Files.exists(file) || Files.isDirectory(file)) {
            return Optional.empty();
        }
        FileAccess access = FileAccess.open(file, false);
        open.add(access);
        return Optional.of(access);
    }

    @Override
    public void close() {
        open.forEach(FileAccess::close);
    }
}
