// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.vdi.store.VolumeKind;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;

/** Starts whoever serves a disk of 1 GiB over NBD: us, and those that we are compared with. */
final class NbdServers {
    /** How many connections a server takes in a usual load. */
    static final int FEW_CONNECTIONS = 8;

    /** Somebody who serves a disk. */
    interface Server {
        String uri();

        /** The number of its process. */
        long pid();

        /** Ends it and removes its disk. */
        void stop() throws IOException, InterruptedException;
    }

    private static final long SIZE = 1L << 30;
    private static final int CREATE_SECONDS = 120;

    private final Path directory;
    private final Programs programs;
    private final BenchRepository repository;

    NbdServers(Path directory, Programs programs, BenchRepository repository) {
        this.directory = directory;
        this.programs = programs;
        this.repository = repository;
    }

    /** A disk of ours, served by this process. */
    Server ours(VolumeKind kind, DiskState state) throws IOException, InterruptedException {
        UUID uuid = repository.create(kind, SIZE);
        String uri = repository.attach(uuid).toString();
        prepare(uri, state);
        return new Server() {
            @Override
            public String uri() {
                return uri;
            }

            @Override
            public long pid() {
                return ProcessHandle.current().pid();
            }

            @Override
            public void stop() {
                repository.detach(uuid);
                repository.disks().destroy(uuid, repository.operation());
            }
        };
    }

    private void prepare(String uri, DiskState state) throws IOException, InterruptedException {
        switch (state) {
            case WRITTEN -> programs.fill(uri);
            case UNWRITTEN -> programs.run(QemuCommands.allocate(uri), 60);
            case HOLES -> {}
        }
    }

    /** A raw file behind qemu-nbd. */
    Server qemuRaw(DiskState state, int connections) throws IOException, InterruptedException {
        return qemu("raw", rawFile("qemu.raw", state), connections);
    }

    /** A dynamic VHD behind qemu-nbd, written or with holes. */
    Server qemuVhd(DiskState state) throws IOException, InterruptedException {
        Path file = directory.resolve("qemu.vhd");
        programs.run(QemuCommands.create("vpc", file), CREATE_SECONDS);
        Server server = qemu("vpc", file, FEW_CONNECTIONS);
        if (state == DiskState.WRITTEN) {
            programs.fill(server.uri());
        }
        return server;
    }

    private Server qemu(String format, Path file, int connections)
            throws IOException, InterruptedException {
        Path socket = directory.resolve("qemu.sock");
        return start(
                QemuCommands.nbd(format, file, socket, connections),
                socket,
                "nbd+unix:///?socket=" + socket,
                file);
    }

    /** A raw file behind qemu-storage-daemon. */
    Server storageDaemon(DiskState state) throws IOException, InterruptedException {
        Path file = rawFile("qsd.raw", state);
        Path socket = directory.resolve("qsd.sock");
        return start(
                QemuCommands.storageDaemon(file, socket),
                socket,
                "nbd+unix:///disk?socket=" + socket,
                file);
    }

    /** Zeroes from nowhere. */
    Server nothing() throws IOException, InterruptedException {
        Path socket = directory.resolve("null.sock");
        return start(QemuCommands.nothing(socket), socket, "nbd+unix:///?socket=" + socket, socket);
    }

    private Server start(List<String> command, Path socket, String uri, Path leftover)
            throws IOException, InterruptedException {
        Process process = programs.serve(command, socket, uri);
        return new Server() {
            @Override
            public String uri() {
                return uri;
            }

            @Override
            public long pid() {
                return process.pid();
            }

            @Override
            public void stop() throws IOException, InterruptedException {
                Programs.stop(process);
                Files.deleteIfExists(leftover);
            }
        };
    }

    /** A raw file of 1 GiB in the directory of the benchmark. */
    Path rawFile(String name, DiskState state) throws IOException, InterruptedException {
        Path file = directory.resolve(name);
        programs.run(QemuCommands.createRaw(file, state.preallocation()), CREATE_SECONDS);
        return file;
    }
}
