// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.store.StoreSpace;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The steps that everything in this package is made of. A test puts a file system behind it that
 * loses what was not synced.
 *
 * <p>A step fails with a {@link dev.varve.vdi.StorageException}; it has changed nothing then.
 *
 * <p><b>Durability:</b> a name that was made, changed or removed survives power loss only after
 * {@link #syncDirectory}.
 */
interface FileOps {
    /** What is known about a file; links are not followed. */
    record Entry(boolean regular, long inode, long sizeBytes, long allocatedBytes) {}

    /** A lock that is held. */
    interface Lock extends AutoCloseable {
        @Override
        void close();
    }

    /** The content of a small file; nothing when there is no such file. */
    Optional<byte[]> read(Path file);

    /** What is known about a file; nothing when there is none. */
    Optional<Entry> stat(Path file);

    /** The names in a directory; none when there is no such directory. */
    List<String> names(Path directory);

    /** Makes a file that is not there yet. Its content is durable afterwards, its name is not. */
    void write(Path file, byte[] content);

    /** Makes a file of zeros that is not there yet and takes no space. */
    void createSparse(Path file, long sizeBytes);

    /**
     * Makes a file take as much space as is asked for, or as there is. One that is not there is
     * made; its content means nothing.
     *
     * @return how large it is now; 0 on a file system that cannot keep space for a file
     */
    default long takeRoom(Path file, long sizeBytes) {
        return 0;
    }

    /** Renames a file; one that has the new name is replaced. */
    void rename(Path from, Path to);

    /** Gives a file another name that is not taken yet. */
    void link(Path existing, Path name);

    /** Removes a name. That there is none is not an error. */
    void delete(Path file);

    /** Makes a directory. That it is there already is not an error. */
    void makeDirectory(Path directory);

    /** Makes what happened to the names in a directory durable. */
    void syncDirectory(Path directory);

    /** Waits for and takes a lock that is shared with other processes. */
    Lock lock(Path file);

    /**
     * Takes a lock that is shared with everybody who calls this on the same file.
     *
     * @param whenAlone run first, and only if nobody else has the lock; nobody gets it meanwhile
     */
    Lock attach(Path file, Runnable whenAlone);

    /** The room on the file system. */
    StoreSpace space(Path directory);

    /**
     * Writes a file under a temporary name and gives it its name: it is there whole or not at all.
     */
    default void replace(Path file, byte[] content) {
        Path temporary = file.resolveSibling(file.getFileName() + Names.TEMPORARY);
        delete(temporary);
        write(temporary, content);
        rename(temporary, file);
        syncDirectory(file.getParent());
    }
}
