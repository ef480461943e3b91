// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.ffi.FileStatus;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.store.StoreSpace;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The steps on a real file system. They are system calls and not {@code java.nio.file} where the
 * error number decides what a person is told.
 *
 * <p><b>Threads:</b> any.
 */
final class LinuxFileOps implements FileOps {
    private static final int DIRECTORY_MODE = 0755;
    private static final long LARGEST_READ_BYTES = 16 << 20;

    @Override
    public Optional<byte[]> read(Path file) {
        try {
            if (Files.size(file) > LARGEST_READ_BYTES) {
                throw ErrorCode.SR_METADATA.because(
                        file + " is larger than " + LARGEST_READ_BYTES + " bytes");
            }
            return Optional.of(Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw FileFailure.of("cannot read " + file, e);
        }
    }

    @Override
    public Optional<Entry> stat(Path file) {
        FileStatus status = FileStatus.of(file, false);
        if (status.error() == -Libc.ENOENT) {
            return Optional.empty();
        }
        check(status.error(), "cannot look at ", file);
        return Optional.of(
                new Entry(
                        status.isRegular(),
                        status.inode(),
                        status.sizeBytes(),
                        status.allocatedBytes()));
    }

    @Override
    public List<String> names(Path directory) {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (DirectoryIteratorException e) {
            throw FileFailure.of("cannot list " + directory, e.getCause());
        } catch (IOException e) {
            throw FileFailure.of("cannot list " + directory, e);
        }
        return names;
    }

    @Override
    public void write(Path file, byte[] content) {
        create(file, fd -> writeAll(fd, content));
    }

    @Override
    public void createSparse(Path file, long sizeBytes) {
        create(file, fd -> Libc.ftruncate(fd, sizeBytes));
    }

    /** A file that could not become as large as was asked for keeps its size. */
    @Override
    public long takeRoom(Path file, long sizeBytes) {
        int fd = Libc.open(file.toString(), Libc.O_RDWR | Libc.O_CREAT);
        check(fd, "cannot open ", file);
        try {
            long present = Math.max(0, Libc.size(fd));
            int result =
                    sizeBytes > present
                            ? Libc.fallocate(fd, 0, present, sizeBytes - present)
                            : Libc.ftruncate(fd, sizeBytes);
            if (result < 0 && sizeBytes > present) {
                // A part of it may have been taken.
                check(Libc.ftruncate(fd, present), "cannot set the size of ", file);
            }
            return result < 0 ? present : sizeBytes;
        } finally {
            Libc.close(fd);
        }
    }

    private interface Filling {
        int fill(int fd);
    }

    private static void create(Path file, Filling filling) {
        int fd = Libc.open(file.toString(), Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL);
        check(fd, "cannot make ", file);
        int filled = filling.fill(fd);
        int synced = filled < 0 ? filled : Libc.fsync(fd);
        Libc.close(fd);
        if (synced < 0) {
            Libc.unlink(file.toString());
            throw FileFailure.of("cannot write " + file, synced);
        }
    }

    private static int writeAll(int fd, byte[] content) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
            long done = 0;
            while (done < content.length) {
                long written =
                        Libc.pwrite(fd, memory.address() + done, content.length - done, done);
                if (written < 0 && written != -Libc.EINTR) {
                    return (int) written;
                }
                done += Math.max(0, written);
            }
            return 0;
        }
    }

    @Override
    public void rename(Path from, Path to) {
        check(Libc.rename(from.toString(), to.toString()), "cannot rename " + from + " to ", to);
    }

    @Override
    public void link(Path existing, Path name) {
        int result = Libc.link(existing.toString(), name.toString());
        if (result == -Libc.EPERM || result == -Libc.EOPNOTSUPP) {
            throw ErrorCode.SR_FILESYSTEM.because(
                    "cannot link " + existing + ": the file system has no hard links; use another");
        }
        if (result == -Libc.EEXIST) {
            throw ErrorCode.SR_EXISTS.because(name + " is there already");
        }
        check(result, "cannot link " + existing + " to ", name);
    }

    @Override
    public void delete(Path file) {
        int result = Libc.unlink(file.toString());
        if (result != -Libc.ENOENT) {
            check(result, "cannot remove ", file);
        }
    }

    @Override
    public void makeDirectory(Path directory) {
        int result = Libc.mkdir(directory.toString(), DIRECTORY_MODE);
        // On a read-only file system the error is EROFS even when the directory is there.
        if (result < 0 && !FileStatus.of(directory, true).isDirectory()) {
            check(result, "cannot make the directory ", directory);
        }
    }

    @Override
    public void syncDirectory(Path directory) {
        int fd = Libc.open(directory.toString(), Libc.O_RDONLY);
        check(fd, "cannot open the directory ", directory);
        int synced = Libc.fsync(fd);
        Libc.close(fd);
        check(synced, "cannot sync the directory ", directory);
    }

    @Override
    public Lock lock(Path file) {
        HeldFile held = HeldFile.open(file);
        try {
            held.lockExclusive();
            return held;
        } catch (RuntimeException e) {
            held.close();
            throw e;
        }
    }

    @Override
    public Lock attach(Path file, Runnable whenAlone) {
        HeldFile held = HeldFile.open(file);
        try {
            if (held.tryLockExclusive()) {
                whenAlone.run();
            }
            held.lockShared();
            return held;
        } catch (RuntimeException e) {
            held.close();
            throw e;
        }
    }

    @Override
    public StoreSpace space(Path directory) {
        try {
            FileStore store = Files.getFileStore(directory);
            // What only root may use counts as used: nobody can put a disk there.
            long total = store.getTotalSpace();
            return new StoreSpace(total, Math.max(0, total - store.getUsableSpace()));
        } catch (IOException e) {
            throw FileFailure.of("cannot tell the room on the file system of " + directory, e);
        }
    }

    private static void check(int result, String what, Path file) {
        if (result < 0) {
            throw FileFailure.of(what + file, result);
        }
    }
}
