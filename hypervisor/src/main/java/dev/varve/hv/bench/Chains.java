// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;

/** Chains of images of 1 GiB, ours and qcow2, whose layers have a few pages of their own. */
final class Chains {
    /** The size of each disk. */
    static final long SIZE = 1L << 30;

    /** How many pages a layer has of its own. */
    static final int PAGES_PER_LAYER = 128;

    private Chains() {}

    /** Takes a snapshot, which puts a layer on the disk. */
    static void snapshot(BenchRepository repository, UUID vdi) {
        repository
                .disks()
                .snapshot(
                        List.of(new SnapshotSpec(vdi, RandomSource.secure().uuid())),
                        repository.operation());
    }

    private static long[] pages(int layer) {
        Pages pages = new Pages(layer, SIZE / Pages.BYTES);
        return IntStream.range(0, PAGES_PER_LAYER)
                .mapToLong(i -> pages.next() * Pages.BYTES)
                .toArray();
    }

    /** Gives the topmost layer pages of its own. */
    static void writePages(URI uri, int layer) throws IOException {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer data = ByteBuffer.allocateDirect(Pages.BYTES);
            for (long offset : pages(layer)) {
                client.write(offset, data.clear());
            }
            client.flush();
        }
    }

    /** A chain of qcow2 images behind qemu-nbd. */
    static final class Qcow2 {
        private final Path directory;
        private final Programs programs;
        private Path top;

        /** A chain of one image, all of it written. */
        Qcow2(Path directory, Programs programs) throws IOException, InterruptedException {
            this.directory = directory;
            this.programs = programs;
            this.top = directory.resolve("layer-0.qcow2");
            programs.run(QemuCommands.create("qcow2", top), 60);
            serving(programs::fill);
        }

        private interface Use {
            void with(String uri) throws IOException, InterruptedException;
        }

        private void serving(Use use) throws IOException, InterruptedException {
            Path socket = directory.resolve("qemu.sock");
            String uri = "nbd+unix:///?socket=" + socket;
            Process server =
                    programs.serve(
                            QemuCommands.nbd("qcow2", top, socket, NbdServers.FEW_CONNECTIONS),
                            socket,
                            uri);
            try {
                use.with(uri);
            } finally {
                Programs.stop(server);
            }
        }

        /** Puts an image on top. */
        void addLayer(int number) throws IOException, InterruptedException {
            Path next = directory.resolve("layer-" + number + ".qcow2");
            programs.run(QemuCommands.overlay(top, next), 60);
            top = next;
            programs.run(QemuCommands.writePages(top, pages(number), Pages.BYTES), 120);
        }

        FioResult measure(FioJob job) throws IOException, InterruptedException {
            FioResult[] result = new FioResult[1];
            serving(uri -> result[0] = programs.fioNbd(job, uri));
            return result[0];
        }
    }
}
