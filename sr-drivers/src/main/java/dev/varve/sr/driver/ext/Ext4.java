// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.files.DirectorySr;
import dev.varve.sr.host.HostCommand;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreSpace;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;

/**
 * An ext4 file system on a device, by means of the programs that come with it.
 *
 * <p><b>Threads:</b> any that may wait.
 */
final class Ext4 {
    static final String TYPE = "ext4";

    /** The label of file systems that were made for a repository. */
    static final String LABEL = "varve";

    /** Direct I/O of images goes in units of this. */
    private static final int BLOCK_BYTES = 4096;

    private static final String PACKAGE = "e2fsprogs";
    private static final HostCommand MKFS = new HostCommand("mkfs.ext4", PACKAGE, 1800);
    private static final HostCommand DUMPE2FS = new HostCommand("dumpe2fs", PACKAGE, 60);
    private static final HostCommand DEBUGFS = new HostCommand("debugfs", PACKAGE, 60);
    private static final HostCommand WIPEFS = new HostCommand("wipefs", "util-linux", 60);

    private Ext4() {}

    /** Makes a file system; nothing of what was there is left to be recognised. */
    static void make(HostDevice device, UUID uuid) {
        wipe(device);
        MKFS.require(
                ErrorCode.SR_FILESYSTEM,
                "make a file system on " + device.given(),
                List.of(
                        "-q",
                        "-F",
                        "-b",
                        Integer.toString(BLOCK_BYTES),
                        // Nobody else writes there for whom something would have to be kept free.
                        "-m",
                        "0",
                        "-U",
                        uuid.toString(),
                        "-L",
                        LABEL,
                        device.node().toString()));
    }

    /** Removes all signatures, so that the device counts as empty. */
    static void wipe(HostDevice device) {
        WIPEFS.require(
                ErrorCode.SR_FILESYSTEM,
                "remove the signatures on " + device.given(),
                List.of("-a", "-q", device.node().toString()));
    }

    /** What the superblock says. Nothing is changed, and nothing has to be mounted. */
    record Superblock(Map<String, String> values) {
        /** Copies the map. */
        Superblock {
            values = Map.copyOf(values);
        }

        /** Reads the superblock of a device. */
        static Superblock read(HostDevice device) {
            HostCommand.Result result =
                    DUMPE2FS.require(
                            ErrorCode.SR_FILESYSTEM,
                            "read the superblock of " + device.given(),
                            List.of("-h", device.node().toString()));
            return parse(result.output());
        }

        /** Reads lines of the form {@code name: value}; others have nothing to say. */
        static Superblock parse(String output) {
            Map<String, String> values = new TreeMap<>();
            for (String line : output.lines().toList()) {
                int colon = line.indexOf(':');
                if (colon > 0) {
                    values.putIfAbsent(line.substring(0, colon), line.substring(colon + 1).strip());
                }
            }
            return new Superblock(values);
        }

        private String require(String name) {
            String value = values.get(name);
            if (value == null) {
                throw ErrorCode.SR_FILESYSTEM.because("dumpe2fs does not tell the " + name);
            }
            return value;
        }

        private long number(String name) {
            String value = require(name);
            try {
                return Long.parseLong(value);
            } catch (NumberFormatException e) {
                throw ErrorCode.SR_FILESYSTEM.because(
                        "dumpe2fs tells " + value + " as the " + name, e);
            }
        }

        /** Whether the file system has found something wrong with itself and was not repaired. */
        boolean hasErrors() {
            return require("Filesystem state").contains("error");
        }

        /** The size that the file system was made for. */
        long sizeBytes() {
            return number("Block count") * number("Block size");
        }

        /** The room, as of the last time that it was unmounted. */
        StoreSpace space() {
            long block = number("Block size");
            long overhead =
                    values.containsKey("Overhead clusters") ? number("Overhead clusters") : 0;
            long usable = number("Block count") - overhead;
            return new StoreSpace(
                    usable * block, Math.max(0, usable - number("Free blocks")) * block);
        }
    }

    /**
     * The repository on a device whose file system is not mounted; nothing when there is none. What
     * only the journal of the file system knows is not seen.
     */
    static Optional<SrIdentity> identity(HostDevice device) {
        HostCommand.Result result =
                DEBUGFS.run(
                        ErrorCode.SR_FILESYSTEM,
                        List.of("-R", "cat /" + DirectorySr.IDENTITY, device.node().toString()));
        return result.output().isEmpty()
                ? Optional.empty()
                : DirectorySr.decode(result.output().getBytes(StandardCharsets.UTF_8));
    }
}
