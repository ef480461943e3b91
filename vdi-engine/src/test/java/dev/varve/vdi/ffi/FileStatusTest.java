// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

class FileStatusTest {
    @TempDir Path directory;

    @Test
    void fieldsAreWhereTheKernelPutsThem() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(FileStatus.BYTES, 8);
            struct.set(ValueLayout.JAVA_INT, 16, 2);
            struct.set(ValueLayout.JAVA_SHORT, 28, (short) 0100644);
            struct.set(ValueLayout.JAVA_LONG, 32, 77);
            struct.set(ValueLayout.JAVA_LONG, 40, 1 << 20);
            struct.set(ValueLayout.JAVA_LONG, 48, 8);
            struct.set(ValueLayout.JAVA_INT, 136, 254);
            struct.set(ValueLayout.JAVA_INT, 140, 1);
            assertEquals(
                    new FileStatus(0, 0100644, 2, 254L << 32 | 1, 77, 1 << 20, 4096, 0),
                    FileStatus.parse(struct));
        }
    }

    @Test
    void sparseFileTakesLessThanItsSize() throws IOException {
        Path file = directory.resolve("sparse");
        int fd = Libc.open(file.toString(), Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL);
        assertEquals(0, Libc.ftruncate(fd, 1 << 30));
        assertEquals(0, Libc.close(fd));
        FileStatus status = FileStatus.of(file, false);
        assertTrue(status.isRegular());
        assertEquals(1 << 30, status.sizeBytes());
        assertEquals(0, status.allocatedBytes());
        assertEquals(Files.getAttribute(file, "unix:ino"), status.inode());
        assertEquals(Files.getAttribute(file, "unix:mode"), status.mode());
    }

    @Test
    void writtenFileTakesAtLeastWhatWasWritten() throws IOException {
        Path file = directory.resolve("written");
        Files.write(file, new byte[100_000]);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true); // some file systems allocate space only then
        }
        assertTrue(FileStatus.of(file, false).allocatedBytes() >= 100_000);
    }

    @Test
    void linksAreCountedAndSharedInodesShow() throws IOException {
        Path file = Files.writeString(directory.resolve("one"), "x");
        assertEquals(0, Libc.link(file.toString(), directory.resolve("two").toString()));
        FileStatus one = FileStatus.of(file, false);
        assertEquals(2, one.links());
        assertEquals(one, FileStatus.of(directory.resolve("two"), false));
    }

    @Test
    void symbolicLinkIsFollowedOnlyOnRequest() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("link"), directory);
        assertFalse(FileStatus.of(link, false).isDirectory());
        assertTrue(FileStatus.of(link, true).isDirectory());
    }

    @Test
    void missingFileGivesItsErrorNumber() {
        assertEquals(-Libc.ENOENT, FileStatus.of(directory.resolve("none"), false).error());
    }

    @Test
    void namesChangeLikeTheSystemCallsSay() {
        String a = directory.resolve("a").toString();
        String b = directory.resolve("b").toString();
        assertEquals(0, Libc.mkdir(a, 0755));
        assertEquals(-Libc.EEXIST, Libc.mkdir(a, 0755));
        assertEquals(0, Libc.rename(a, b));
        assertEquals(-Libc.ENOENT, Libc.rmdir(a));
        assertEquals(-Libc.EISDIR, Libc.unlink(b));
        assertEquals(0, Libc.rmdir(b));
        assertEquals(-Libc.ENOENT, Libc.unlink(b));
    }

    @Test
    void lockIsHeldAgainstAnotherOpenOfTheSameFile() {
        String path = directory.resolve("lock").toString();
        int one = Libc.open(path, Libc.O_RDWR | Libc.O_CREAT);
        int two = Libc.open(path, Libc.O_RDWR);
        assertEquals(0, Libc.flock(one, Libc.LOCK_EX));
        assertEquals(-Libc.EAGAIN, Libc.flock(two, Libc.LOCK_SH | Libc.LOCK_NB));
        assertEquals(0, Libc.close(one));
        assertEquals(0, Libc.flock(two, Libc.LOCK_EX | Libc.LOCK_NB));
        assertEquals(0, Libc.close(two));
    }
}
