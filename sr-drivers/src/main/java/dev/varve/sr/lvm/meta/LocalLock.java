// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * The lock that the {@code lvm2} of this host takes while it changes a group: {@code flock(2)} on a
 * file with the name of the group in its directory for locks. It keeps programs of this host apart,
 * nobody else.
 *
 * <p>Whoever has the lock may remove the file when letting go of it, so a lock counts only if the
 * file still has its name after the wait.
 *
 * <p>Where the directory is not there or not open to this process, there is no lock: then either
 * {@code lvm2} is not used on this host, or it runs as a user who sees devices that this one cannot
 * open.
 *
 * <p><b>Threads:</b> one at a time; taking it waits without a limit, as {@code lvm2} does.
 */
final class LocalLock implements AutoCloseable {
    /** Where lvm2 has its locks, unless it was configured otherwise. */
    static final Path DEFAULT_DIRECTORY = Path.of("/run/lock/lvm");

    private static final int NONE = -1;

    private final Path path;
    private final int fd;

    private LocalLock(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /**
     * Waits for the lock of a group.
     *
     * @throws StorageException SR_LOCK_FAILED when the lock cannot be had at all
     */
    static LocalLock take(Path directory, String group) {
        Path path = directory.resolve("V_" + group);
        if (!Files.isDirectory(directory)
                || !Files.isWritable(directory)
                || !Files.isExecutable(directory)) {
            return new LocalLock(path, NONE);
        }
        while (true) {
            LocalLock lock = new LocalLock(path, open(path));
            try {
                lock.await();
                if (lock.hasItsName()) {
                    return lock;
                }
                Libc.close(lock.fd);
            } catch (StorageException failed) {
                Libc.close(lock.fd);
                throw failed;
            }
        }
    }

    private static int open(Path path) {
        int fd = Libc.open(path.toString(), Libc.O_RDWR | Libc.O_CREAT | Libc.O_CLOEXEC);
        if (fd < 0) {
            throw failure("cannot open " + path + ": " + Libc.errorName(fd), null);
        }
        return fd;
    }

    private void await() {
        int result;
        do {
            result = Libc.flock(fd, Libc.LOCK_EX);
        } while (result == -Libc.EINTR);
        if (result < 0) {
            throw failure("cannot lock " + path + ": " + Libc.errorName(result), null);
        }
    }

    private boolean hasItsName() {
        try {
            return Files.isSameFile(path, Path.of("/proc/self/fd", Integer.toString(fd)));
        } catch (NoSuchFileException removed) {
            return false;
        } catch (IOException unknown) {
            throw failure("cannot tell whether " + path + " is locked", unknown);
        }
    }

    private static StorageException failure(String what, IOException cause) {
        return ErrorCode.SR_LOCK_FAILED.because(what, cause);
    }

    /**
     * Removes the file, as lvm2 does, so that locks of groups that are gone do not pile up. Whoever
     * waits for it finds it without its name, and tries again.
     */
    @Override
    public void close() {
        if (fd == NONE) {
            return;
        }
        try {
            Files.deleteIfExists(path);
        } catch (IOException kept) {
            // A file that stays is as good as none: the next one who comes locks it.
        } finally {
            Libc.close(fd);
        }
    }
}
