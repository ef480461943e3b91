// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.ffi.Libc;

import java.nio.file.Path;

/**
 * A file that is open for the sake of {@code flock(2)}. Such a lock goes with the process that
 * holds it, however that ends; two opens in one process exclude each other like two processes.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class HeldFile implements FileOps.Lock {
    private final Path path;
    private final int fd;

    private HeldFile(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /** Opens the file, and makes it when it is not there. */
    static HeldFile open(Path path) {
        int fd = Libc.open(path.toString(), Libc.O_RDWR | Libc.O_CREAT);
        if (fd < 0) {
            throw FileFailure.of("cannot open " + path, fd);
        }
        return new HeldFile(path, fd);
    }

    /** Waits until nobody else has a lock. */
    void lockExclusive() {
        flock(Libc.LOCK_EX);
    }

    /** Takes the lock together with others; whoever has it alone keeps us waiting. */
    void lockShared() {
        flock(Libc.LOCK_SH);
    }

    /** Takes the lock alone if nobody else has it. On failure a shared lock may be lost. */
    boolean tryLockExclusive() {
        int result = Libc.flock(fd, Libc.LOCK_EX | Libc.LOCK_NB);
        if (result < 0 && result != -Libc.EAGAIN) {
            throw failure(result);
        }
        return result == 0;
    }

    private void flock(int operation) {
        int result;
        do {
            result = Libc.flock(fd, operation);
        } while (result == -Libc.EINTR);
        if (result < 0) {
            throw failure(result);
        }
    }

    private RuntimeException failure(int result) {
        return ErrorCode.SR_LOCK_FAILED.because(
                "cannot lock " + path + ": " + Libc.errorName(result));
    }

    @Override
    public void close() {
        Libc.close(fd);
    }
}
