// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A block device of this host.
 *
 * <p><b>Threads:</b> any.
 *
 * @param given the path under which it was named, which may be a link that follows the device
 *     wherever it appears, as in {@code /dev/disk/by-id}
 * @param node the device node behind the link
 * @param number {@code major:minor}
 */
public record HostDevice(Path given, Path node, String number) {
    private static final Path SYSFS = Path.of("/sys/dev/block");
    private static final Path ALL = Path.of("/sys/class/block");
    private static final int TYPE_MASK = 0170000;
    private static final int TYPE_BLOCK = 0060000;
    private static final int SECTOR_BYTES = 512;

    /**
     * The device behind a path.
     *
     * @throws StorageException SR_UNAVAILABLE when nothing is there, CONFIG_DEVICE_INVALID when it
     *     is no block device
     */
    public static HostDevice of(Path given) {
        try {
            Path node = given.toRealPath();
            int mode = (int) Files.getAttribute(node, "unix:mode");
            if ((mode & TYPE_MASK) != TYPE_BLOCK) {
                throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                        given + " is not a block device; name a disk or a partition");
            }
            return new HostDevice(
                    given, node, number((long) Files.getAttribute(node, "unix:rdev")));
        } catch (NoSuchFileException e) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the device %s is not there; is it plugged in, and its name right?"
                            .formatted(given),
                    e);
        } catch (IOException e) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "cannot look at the device " + given + ": " + e, e);
        }
    }

    /** A number of a device as the C library has it in 64 bits. */
    static String number(long rdev) {
        long major = (rdev >>> 8 & 0xFFF) | (rdev >>> 32 & ~0xFFFL);
        long minor = (rdev & 0xFF) | (rdev >>> 12 & 0xFFFFFF00L);
        return major + ":" + minor;
    }

    /** The devices of this host that have a size, by name. */
    public static List<HostDevice> all() {
        List<HostDevice> devices = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(ALL)) {
            for (Path entry : entries) {
                // The names of devices in directories have exclamation marks for the slashes.
                Path node = Path.of("/dev", entry.getFileName().toString().replace('!', '/'));
                if (Files.exists(node)) {
                    devices.add(of(node));
                }
            }
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because("cannot list " + ALL + ": " + e, e);
        }
        devices.removeIf(device -> device.sizeBytes() == 0);
        devices.sort((a, b) -> a.node.compareTo(b.node));
        return devices;
    }

    /** How large it is. */
    public long sizeBytes() {
        // In sysfs all sizes are in sectors of this size, whatever the device has.
        return Long.parseLong(attribute("size").orElse("0")) * SECTOR_BYTES;
    }

    /** How large its logical blocks are: 512 or 4096. */
    public int blockBytes() {
        String name = "queue/logical_block_size";
        // A partition has those of its disk.
        return Integer.parseInt(attribute(name).or(() -> attribute("../" + name)).orElse("512"));
    }

    /** Whether it refuses writes. */
    public boolean isReadOnly() {
        return attribute("ro").orElse("0").equals("1");
    }

    /** Devices that are made of this one: RAIDs, logical volumes, encrypted devices. */
    public List<String> holders() {
        return names(directory().resolve("holders"));
    }

    /** Loop devices that are made of it or of a range of it. */
    public List<HostDevice> loops() {
        List<HostDevice> loops = new ArrayList<>();
        for (String name : names(ALL)) {
            Optional<String> backing = read(ALL.resolve(name).resolve("loop/backing_file"));
            Path loop = Path.of("/dev", name);
            if (backing.equals(Optional.of(node.toString())) && Files.exists(loop)) {
                loops.add(of(loop));
            }
        }
        return loops;
    }

    /** Where on its device a loop device begins, in bytes; 0 for other devices. */
    public long loopOffset() {
        return Long.parseLong(attribute("loop/offset").orElse("0"));
    }

    /** Whether it is divided into partitions. */
    public boolean isPartitioned() {
        Path directory = directory();
        return names(directory).stream()
                .anyMatch(name -> Files.exists(directory.resolve(name).resolve("partition")));
    }

    /** What sysfs says about the disk, such as {@code vendor}, {@code model} or {@code serial}. */
    public String property(String name) {
        return attribute("device/" + name).orElse("");
    }

    private Path directory() {
        return SYSFS.resolve(number);
    }

    private Optional<String> attribute(String name) {
        return read(directory().resolve(name));
    }

    private static Optional<String> read(Path attribute) {
        try {
            return Optional.of(Files.readString(attribute).strip());
        } catch (IOException e) {
            // Not every device has every attribute, and one that was unplugged has none.
            return Optional.empty();
        }
    }

    private static List<String> names(Path directory) {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (IOException e) {
            // As above: an unplugged device holds nothing.
            return List.of();
        }
        names.sort(null);
        return names;
    }

    /**
     * Makes sure that nobody uses it: no mount, here or in another namespace, no partition of it,
     * no device made of it, no program. Programs that have it open beside others are not seen.
     *
     * @throws StorageException DEVICE_IN_USE, naming the user if it can be found out
     */
    public void requireUnused() {
        int fd = Libc.open(node.toString(), Libc.O_RDONLY | Libc.O_EXCL);
        if (fd >= 0) {
            Libc.close(fd);
            requireNoLoop();
            return;
        }
        if (fd != -Libc.EBUSY) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "cannot open the device " + given + ": " + Libc.errorName(fd));
        }
        throw ErrorCode.DEVICE_IN_USE.because("the device " + given + " is in use: " + user());
    }

    private boolean isClaimed() {
        int fd = Libc.open(node.toString(), Libc.O_RDONLY | Libc.O_EXCL);
        if (fd >= 0) {
            Libc.close(fd);
        }
        return fd == -Libc.EBUSY;
    }

    /** The kernel does not count a loop device as an exclusive user. */
    private void requireNoLoop() {
        for (HostDevice loop : loops()) {
            if (!loop.isClaimed()) {
                // Nobody uses it: what a program left that has ended.
                continue;
            }
            List<MountTable.Mount> mounts = MountTable.read().of(loop.number());
            throw ErrorCode.DEVICE_IN_USE.because(
                    "the device %s is in use: the loop device %s is made of it%s"
                            .formatted(
                                    given,
                                    loop.node(),
                                    mounts.isEmpty()
                                            ? ", and something uses that; end it first"
                                            : " and mounted at %s; unmount that first"
                                                    .formatted(mounts.getFirst().point())));
        }
    }

    private String user() {
        List<MountTable.Mount> mounts = MountTable.read().of(number);
        if (!mounts.isEmpty()) {
            return "it is mounted at " + mounts.getFirst().point() + "; unmount it first";
        }
        List<String> holders = holders();
        if (!holders.isEmpty()) {
            return "it is part of " + String.join(", ", holders) + "; take that apart first";
        }
        return isPartitioned()
                ? "one of its partitions is; name a partition that is free, or free them all"
                : "another program or a swap area has it; end that first";
    }
}
