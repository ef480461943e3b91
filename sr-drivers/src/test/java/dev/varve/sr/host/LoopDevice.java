// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.vdi.ErrorCode;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** A block device that is a file, for tests; only root can make one. */
public final class LoopDevice implements AutoCloseable {
    private static final int EXT4_MAGIC_OFFSET = 1024 + 0x38;

    private final Path image;
    private final Path node;

    private LoopDevice(Path image, Path node) {
        this.image = image;
        this.node = node;
    }

    /** Skips the test where no loop devices can be made. */
    public static void assumePossible() {
        assumeTrue("root".equals(System.getProperty("user.name")), "needs root");
        assumeTrue(Files.exists(Path.of("/dev/loop-control")), "needs loop devices");
        for (String program : List.of("blkid", "mkfs.ext4", "losetup", "python3")) {
            assumeTrue(
                    Files.isExecutable(Path.of("/usr/sbin", program))
                            || Files.isExecutable(Path.of("/usr/bin", program)),
                    "needs the program " + program);
        }
    }

    /** A device over a new file of zeros. */
    public static LoopDevice make(Path image, long sizeBytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(image.toString(), "rw")) {
            file.setLength(sizeBytes);
        }
        return of(image);
    }

    /** A device over a file that is there. */
    public static LoopDevice of(Path image, String... options) {
        String[] words = Arrays.copyOf(options, options.length + 3);
        System.arraycopy(
                new String[] {"-f", "--show", image.toString()}, 0, words, options.length, 3);
        HostCommand.Result made = tryRun("losetup", words);
        assumeTrue(made.status() == 0, "needs loop devices: " + made.lastLines());
        return new LoopDevice(image, Path.of(made.output().strip()));
    }

    /** The device node. */
    public Path node() {
        return node;
    }

    /** The file. */
    public Path image() {
        return image;
    }

    /** Runs a program that has to succeed; what it printed. */
    public static String run(String program, String... arguments) {
        HostCommand.Result result = tryRun(program, arguments);
        assertEquals(0, result.status(), () -> program + ": " + result.lastLines());
        return result.output();
    }

    /** Runs a program. */
    public static HostCommand.Result tryRun(String program, String... arguments) {
        return new HostCommand(program, program, 60).run(ErrorCode.SR_GENERAL, List.of(arguments));
    }

    /** Where it or a range of it is mounted now. */
    public List<Path> mounts() {
        HostDevice device = HostDevice.of(node);
        return Stream.concat(Stream.of(device), device.loops().stream())
                .flatMap(one -> MountTable.read().of(one.number()).stream())
                .map(MountTable.Mount::point)
                .toList();
    }

    /** Shuts the file system at a place down at once, as if its device had gone. */
    public static void shutDown(Path point) {
        run(
                "python3",
                "-c",
                """
                import fcntl, os, struct, sys
                fd = os.open(sys.argv[1], os.O_RDONLY)
                fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))
                """,
                point.toString());
    }

    /** Unmounts and detaches it, and has another program look at the file system. */
    @Override
    public void close() throws IOException {
        for (Path point : mounts()) {
            run("umount", "-l", point.toString());
        }
        run("losetup", "-d", node.toString());
        if (isExt4()) {
            HostCommand.Result checked = tryRun("e2fsck", "-fn", image.toString());
            assertEquals(0, checked.status(), checked.output() + checked.errors());
        }
    }

    private boolean isExt4() throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(image.toString(), "r")) {
            if (file.length() < EXT4_MAGIC_OFFSET + 2) {
                return false;
            }
            file.seek(EXT4_MAGIC_OFFSET);
            return file.read() == 0x53 && file.read() == 0xEF;
        }
    }
}
