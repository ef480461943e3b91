// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The command lines of the programs of QEMU, and of nbdkit. */
final class QemuCommands {
    private static final String SIZE = "1G";

    private QemuCommands() {}

    /** Makes an image of 1 GiB. */
    static List<String> create(String format, Path file) {
        return List.of("qemu-img", "create", "-q", "-f", format, file.toString(), SIZE);
    }

    /**
     * Makes a raw file of 1 GiB.
     *
     * @param preallocation what is under it: {@code full}, {@code falloc} or {@code off}
     */
    static List<String> createRaw(Path file, String preallocation) {
        return List.of(
                "qemu-img",
                "create",
                "-q",
                "-f",
                "raw",
                "-o",
                "preallocation=" + preallocation,
                file.toString(),
                SIZE);
    }

    /** Makes a qcow2 image on top of another one. */
    static List<String> overlay(Path backing, Path file) {
        return List.of(
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-u",
                "-b",
                backing.toString(),
                "-F",
                "qcow2",
                file.toString(),
                SIZE);
    }

    /** Writes pages of an image, past the page cache. */
    static List<String> writePages(Path image, long[] offsets, int pageBytes) {
        List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "qcow2", "-t", "none"));
        for (long offset : offsets) {
            command.addAll(List.of("-c", "write -q " + offset + " " + pageBytes));
        }
        command.add(image.toString());
        return command;
    }

    /** Allocates all of an export without writing it. */
    static List<String> allocate(String uri) {
        return List.of("qemu-io", "-f", "raw", uri, "-c", "write -z 0 1G");
    }

    /** Serves an image over NBD, past the page cache. */
    static List<String> nbd(String format, Path file, Path socket, int connections) {
        return List.of(
                "qemu-nbd",
                "-f",
                format,
                "--socket=" + socket,
                "-t",
                "-e",
                Integer.toString(connections),
                "--discard=unmap",
                "--cache=none",
                "--aio=io_uring",
                file.toString());
    }

    /** Serves a LUN over NBD as a raw disk. */
    static List<String> nbdOnIscsi(String uri, Path socket) {
        return List.of(
                "qemu-nbd",
                "-f",
                "raw",
                "--socket=" + socket,
                "-t",
                "-e",
                "8",
                "--discard=unmap",
                "--cache=none",
                uri);
    }

    /** Serves a raw file over NBD under the name {@code disk}, past the page cache. */
    static List<String> storageDaemon(Path file, Path socket) {
        return List.of(
                "qemu-storage-daemon",
                "--blockdev",
                "driver=file,node-name=disk,filename="
                        + file
                        + ",cache.direct=on,aio=io_uring,discard=unmap",
                "--nbd-server",
                "addr.type=unix,addr.path=" + socket,
                "--export",
                "type=nbd,id=export,node-name=disk,name=disk,writable=on");
    }

    /** Serves zeroes that are nowhere, read-only. */
    static List<String> nothing(Path socket) {
        return List.of("nbdkit", "-f", "-r", "-U", socket.toString(), "null", "size=" + SIZE);
    }
}
