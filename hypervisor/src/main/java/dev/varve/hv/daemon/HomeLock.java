// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Keeps a second daemon away from the same home. Released by the system when the process ends. */
final class HomeLock implements AutoCloseable {
    private final FileChannel channel;
    private final Path pidFile;

    private HomeLock(FileChannel channel, Path pidFile) {
        this.channel = channel;
        this.pidFile = pidFile;
    }

    /**
     * Takes the lock and writes the number of this process down; fails when a daemon runs already.
     */
    static HomeLock take(Path run) throws IOException {
        Path pidFile = run.resolve("varved.pid");
        FileChannel channel =
                FileChannel.open(
                        run.resolve("varved.lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE);
        try {
            FileLock lock = tryLock(channel);
            if (lock == null) {
                throw new IOException(
                        "a daemon is running under "
                                + run.getParent()
                                + " already, with process id "
                                + pid(pidFile));
            }
            writePid(pidFile);
            return new HomeLock(channel, pidFile);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private static FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            // Another daemon of this very process has it.
            return null;
        }
    }

    private static String pid(Path pidFile) throws IOException {
        try {
            return Files.readString(pidFile).strip();
        } catch (NoSuchFileException e) {
            return "unknown";
        }
    }

    private static void writePid(Path pidFile) throws IOException {
        String text = ProcessHandle.current().pid() + "\n";
        try (FileChannel file =
                FileChannel.open(
                        pidFile,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            file.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII)));
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(pidFile);
        channel.close();
    }
}
