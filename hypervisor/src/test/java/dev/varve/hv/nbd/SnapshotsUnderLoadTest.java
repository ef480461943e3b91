// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * Snapshots and clones of a disk that four clients write and verify at the same time.
 *
 * <p>Each writer numbers its writes and sends one after the other, so what a snapshot shows of a
 * writer's part of the disk must be what there was after exactly one of its writes: not earlier
 * than the last that had completed when the snapshot was asked for, and not later than the last
 * that was sent when it was there.
 *
 * <p>All are read by a client of ours, and one in 13, with the deepest, by libvhdi, which is slow
 * with deep chains; {@code -Dsnapshots.judged=1} has it read all.
 */
@Tag("real")
class SnapshotsUnderLoadTest {
    private static final int PAGE = 4096;
    private static final int WRITERS = 4;
    private static final int PART_PAGES = 1024;
    private static final long SIZE = (long) WRITERS * PART_PAGES * PAGE;
    private static final int SNAPSHOTS = 100;
    private static final int CLONES = 20;
    private static final int JUDGED = Integer.getInteger("snapshots.judged", 13);

    @TempDir Path directory;
    private ServedRepository repository;
    private volatile boolean stopped;

    @AfterEach
    void stop() {
        stopped = true;
        if (repository != null) {
            repository.close();
        }
    }

    private record Write(int page, int count) {}

    /** One client with a part of the disk for itself. */
    private final class Writer implements Runnable {
        private final int number;
        private final URI uri;
        private final Random random;
        private final List<Write> writes = new ArrayList<>();
        private final long[] now = new long[PART_PAGES];
        private volatile int sent;
        private volatile int completed;
        private volatile boolean verified;

        Writer(int number, URI uri) {
            this.number = number;
            this.uri = uri;
            this.random = new Random(number);
        }

        @Override
        public void run() {
            try (NbdClient client = NbdClient.connect(uri)) {
                ByteBuffer buffer = ByteBuffer.allocateDirect(16 * PAGE);
                while (!stopped) {
                    write(client, buffer.clear());
                    if (random.nextInt(8) == 0) {
                        verify(client, buffer.clear());
                    }
                    if (random.nextInt(16) == 0) {
                        client.flush();
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void write(NbdClient client, ByteBuffer buffer) throws IOException {
            int count = 1 + random.nextInt(16);
            int page = random.nextInt(PART_PAGES - count);
            int stamp = writes.size() + 1;
            for (int i = 0; i < count; i++) {
                now[page + i] = stamp;
                fill(buffer, page + i, stamp);
            }
            synchronized (writes) {
                writes.add(new Write(page, count));
            }
            sent = stamp;
            client.write(offset(page), buffer.flip());
            completed = stamp;
        }

        private void verify(NbdClient client, ByteBuffer buffer) throws IOException {
            int page = random.nextInt(PART_PAGES);
            client.read(offset(page), buffer.limit(PAGE));
            assertEquals(now[page], stampOf(buffer.flip(), page), "page " + page);
            verified = true;
        }

        private long offset(int page) {
            return ((long) number * PART_PAGES + page) * PAGE;
        }

        /** What the pages hold after so many writes. */
        private long[] after(int count) {
            long[] pages = new long[PART_PAGES];
            synchronized (writes) {
                for (int i = 0; i < count; i++) {
                    Write write = writes.get(i);
                    Arrays.fill(pages, write.page, write.page + write.count, i + 1);
                }
            }
            return pages;
        }
    }

    private static void fill(ByteBuffer buffer, int page, long stamp) {
        for (int at = 0; at < PAGE; at += 2 * Long.BYTES) {
            buffer.putLong(stamp).putLong(page);
        }
    }

    /** The stamp that a whole page holds. */
    private static long stampOf(ByteBuffer bytes, int page) {
        LongBuffer words = bytes.asLongBuffer();
        long stamp = words.get(0);
        for (int i = 0; i < PAGE / Long.BYTES; i += 2) {
            assertEquals(stamp, words.get(i), "page " + page + " holds two writes");
            assertEquals(stamp == 0 ? 0 : page, words.get(i + 1), "page " + page);
        }
        return stamp;
    }

    /** A snapshot or a clone, and between which writes it was made. */
    private record Instant(UUID uuid, int[] earliest, int[] latest) {}

    private Instant take(List<Writer> writers, Supplier<UUID> work) {
        int[] earliest = writers.stream().mapToInt(writer -> writer.completed).toArray();
        UUID uuid = work.get();
        return new Instant(
                uuid, earliest, writers.stream().mapToInt(writer -> writer.sent).toArray());
    }

    private UUID snapshot(UUID vdi) {
        UUID uuid = UUID.randomUUID();
        repository.disks().snapshot(List.of(new SnapshotSpec(vdi, uuid)), repository.operation());
        return uuid;
    }

    private UUID cloneOf(UUID vdi) {
        UUID uuid = UUID.randomUUID();
        repository.disks().clone(vdi, uuid, repository.operation());
        return uuid;
    }

    private void check(Instant instant, List<Writer> writers, ByteBuffer content) {
        for (Writer writer : writers) {
            long[] found = new long[PART_PAGES];
            int newest = 0;
            for (int page = 0; page < PART_PAGES; page++) {
                int at = (int) writer.offset(page);
                found[page] = stampOf(content.slice(at, PAGE), page);
                newest = Math.max(newest, (int) found[page]);
            }
            int earliest = instant.earliest[writer.number];
            int latest = instant.latest[writer.number];
            assertTrue(
                    earliest <= newest && newest <= latest,
                    () -> instant + " of writer " + writer.number);
            int instantOfWriter = newest;
            assertTrue(
                    Arrays.equals(writer.after(newest), found),
                    () -> "not the state after write " + instantOfWriter + " of " + instant);
        }
    }

    /** Checks what a client sees, and tells how many images it consists of. */
    private int depthAndCheck(Instant instant, List<Writer> writers) throws IOException {
        ActiveVdi vdi = repository.serve(instant.uuid, false);
        try (NbdClient client = NbdClient.connect(repository.uri(instant.uuid))) {
            ByteBuffer content = ByteBuffer.allocateDirect((int) SIZE);
            for (int at = 0; at < SIZE; at += 1 << 20) {
                client.read(at, content.slice(at, 1 << 20));
            }
            check(instant, writers, content);
            return vdi.depth();
        } finally {
            repository.end(vdi);
        }
    }

    @Test
    void everySnapshotAndCloneHoldsWhatThereWasAtItsInstant() throws Exception {
        Tool.require("vhdimount");
        repository = new ServedRepository(directory, EngineContext.Backend.AUTO);
        ActiveVdi vdi = repository.serveNew(VolumeKind.VHD, SIZE);
        List<Writer> writers =
                IntStream.range(0, WRITERS)
                        .mapToObj(i -> new Writer(i, repository.uri(vdi.uuid())))
                        .toList();
        List<Instant> instants = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(WRITERS)) {
            List<CompletableFuture<Void>> running =
                    writers.stream()
                            .map(writer -> CompletableFuture.runAsync(writer, threads))
                            .toList();
            for (int i = 1; i <= SNAPSHOTS; i++) {
                instants.add(take(writers, () -> snapshot(vdi.uuid())));
                if (i % (SNAPSHOTS / CLONES) == 0) {
                    instants.add(take(writers, () -> cloneOf(vdi.uuid())));
                }
            }
            stopped = true;
            running.forEach(CompletableFuture::join);
        }
        instants.add(take(writers, vdi::uuid));
        repository.end(vdi);
        assertTrue(writers.stream().allMatch(writer -> writer.verified));
        for (int i = 0; i < instants.size(); i++) {
            Instant instant = instants.get(i);
            int depth = depthAndCheck(instant, writers);
            if (i % JUDGED == 0 || i >= instants.size() - 2) {
                check(instant, writers, readByLibvhdi(instant.uuid, depth));
            }
        }
        System.out.printf(
                "%d snapshots and %d clones under %d writers with %d writes: all as they were%n",
                SNAPSHOTS,
                CLONES,
                WRITERS,
                writers.stream().mapToInt(writer -> writer.completed).sum());
    }

    /** The chain is mounted as vhdi1, vhdi2 and so on; the last one is the image itself. */
    private ByteBuffer readByLibvhdi(UUID uuid, int depth)
            throws IOException, InterruptedException {
        Path point = Files.createTempDirectory(directory, "fuse");
        Tool.run("vhdimount", repository.image(uuid, ".vhd").toString(), point.toString());
        try (FileChannel channel = FileChannel.open(point.resolve("vhdi" + depth))) {
            ByteBuffer content = ByteBuffer.allocateDirect((int) SIZE);
            while (content.hasRemaining() && channel.read(content) >= 0) {
                // Until it is full.
            }
            return content.flip();
        } finally {
            Tool.run("fusermount3", "-u", point.toString());
        }
    }
}
