// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.filter.RoomFilter;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Images in volumes that take their time to grow, and are grown before somebody has to wait. */
class GrowthAheadTest {
    private static final long SIZE = 512L << 20;
    private static final int BLOCK = 2 << 20;
    private static final int AHEAD = 32 << 20;

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(clock);
    private final RoomWatch watch = new RoomWatch(RoomWatch.WhenFull.WAIT);
    private VdiEngine engine;
    private Path file;
    private SlowVolume volume;
    private volatile Throwable trouble;

    /** A volume that grows when the test says so. */
    private static final class SlowVolume extends ForwardingStore.Volume {
        private final LinkedBlockingQueue<Attempt> attempts = new LinkedBlockingQueue<>();
        private final StoreVolume volume;

        private record Attempt(long sizeBytes, CompletableFuture<Long> outcome) {}

        SlowVolume(StoreVolume volume) {
            super(volume);
            this.volume = volume;
        }

        @Override
        public long growAheadBytes() {
            return AHEAD;
        }

        @Override
        public CompletionStage<Long> grow(long sizeBytes) {
            Attempt attempt = new Attempt(sizeBytes, new CompletableFuture<>());
            attempts.add(attempt);
            return attempt.outcome();
        }

        /** The next attempt to grow, which may still have to come. */
        Attempt next() throws InterruptedException {
            Attempt next = attempts.poll(30, TimeUnit.SECONDS);
            if (next == null) {
                throw new AssertionError("nobody has the volume grow");
            }
            return next;
        }

        void succeed(Attempt attempt) {
            attempt.outcome()
                    .complete(volume.grow(attempt.sizeBytes()).toCompletableFuture().join());
        }

        void fail(Attempt attempt) {
            attempt.outcome().completeExceptionally(ErrorCode.SR_NO_SPACE.because("it is full"));
        }
    }

    @BeforeEach
    void start() throws Exception {
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        file = Files.createFile(directory.resolve("disk.vhd"));
        try (OpenVolume open = engine.open(new FileVolume(file, true), true)) {
            format.create(
                    open.access(operation), ImageSpec.plain(UUID.randomUUID(), SIZE), operation);
        }
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private ActiveVdi activate() {
        volume = new SlowVolume(new FileVolume(file, true));
        List<BlockFilter> above = new ArrayList<>(List.of(new RoomFilter(watch)));
        return engine.activate(
                UUID.randomUUID(),
                new VdiEngine.Leaf(volume, format, ParentSource.NONE),
                true,
                operation,
                List.of(),
                above);
    }

    private static byte[] content(int block) {
        byte[] data = new byte[4096];
        java.util.Arrays.fill(data, (byte) (block + 1));
        return data;
    }

    private void assertInOrder(int blocks) {
        try (OpenVolume open = engine.open(new FileVolume(file, false), false)) {
            VhdCheck.Result result = new VhdCheck(clock).check(open.access(operation));
            assertEquals(List.of(), result.findings());
            assertTrue(format.inspect(open.access(operation)).clean());
        }
        long most = 4329472 + blocks * (BLOCK + 4096L);
        assertTrue(file.toFile().length() <= most, "what is not used was given back");
        ActiveVdi vdi = activate();
        for (int block = 0; block < blocks; block++) {
            assertArrayEquals(content(block), new DiskClient(vdi).read((long) block * BLOCK, 4096));
        }
        growEverything();
        vdi.close(operation);
    }

    /** The store needs for each growth as long as the guest for half of the room ahead. */
    @Test
    void nobodyWaitsForAStoreThatIsSlow() throws InterruptedException {
        ActiveVdi vdi = activate();
        volume.succeed(volume.next());
        DiskClient client = new DiskClient(vdi);
        int blocks = (int) (SIZE / BLOCK);
        int growths = 0;
        int since = 0;
        SlowVolume.Attempt pending = null;
        for (int block = 0; block < blocks; block++) {
            client.write((long) block * BLOCK, content(block));
            if (pending == null) {
                pending = volume.attempts.poll();
                since = 0;
            } else if (++since == AHEAD / BLOCK / 2) {
                volume.succeed(pending);
                pending = null;
                growths++;
            }
        }
        assertTrue(growths >= 6, growths + " growths");
        assertEquals(0, watch.everHeld());
        if (pending != null) {
            volume.succeed(pending);
        }
        vdi.close(operation);
        assertInOrder(blocks);
        assertEquals(0, volume.attempts.size(), "a full image grows no more");
    }

    @Test
    void aWriteWaitsWhenTheRoomIsUsedUp() throws InterruptedException {
        ActiveVdi vdi = activate();
        volume.succeed(volume.next());
        DiskClient client = new DiskClient(vdi);
        client.write(0, content(0));
        CompletableFuture<Void> rest =
                CompletableFuture.runAsync(
                        () -> {
                            for (int block = 1; block < 3 * AHEAD / BLOCK; block++) {
                                client.write((long) block * BLOCK, content(block));
                            }
                        });
        SlowVolume.Attempt pending = volume.next();
        client.write(4096, content(0)); // what needs no room waits for nobody
        assertFalse(rest.isDone());
        volume.succeed(pending);
        growEverything();
        rest.orTimeout(30, TimeUnit.SECONDS).join();
        vdi.close(operation);
    }

    /** A store that has no room for what is only wanted is left alone, mostly. */
    @Test
    void noRoomAheadConcernsNobody() throws InterruptedException {
        ActiveVdi vdi = activate();
        volume.succeed(volume.next());
        DiskClient client = new DiskClient(vdi);
        int block = 0;
        while (volume.attempts.isEmpty()) {
            client.write((long) block * BLOCK, content(block++));
        }
        volume.fail(volume.next());
        int tries = 0;
        while (watch.everHeld() == 0) {
            int next = block++;
            CompletableFuture<Void> write =
                    CompletableFuture.runAsync(
                            () -> client.write((long) next * BLOCK, content(next)));
            while (!write.isDone() && watch.everHeld() == 0) {
                SlowVolume.Attempt attempt = volume.attempts.poll(5, TimeUnit.MILLISECONDS);
                if (attempt != null) {
                    volume.fail(attempt);
                    tries++;
                }
            }
        }
        assertTrue(tries <= 8, tries + " attempts while there was room");
        assertEquals(1, watch.waitingRequests());
        growEverything();
        watch.roomMade();
        while (watch.waitingRequests() > 0) {
            operation.checkpoint();
        }
        vdi.close(operation);
        assertInOrder(block);
    }

    private void growEverything() {
        SlowVolume growing = volume;
        Thread thread =
                new Thread(
                        () -> {
                            try {
                                while (true) {
                                    growing.succeed(growing.attempts.take());
                                }
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        thread.setDaemon(true);
        thread.start();
    }

    @Test
    void closingWaitsForTheEndOfAGrowth() throws InterruptedException {
        ActiveVdi vdi = activate();
        volume.succeed(volume.next());
        DiskClient client = new DiskClient(vdi);
        int blocks = 0;
        while (volume.attempts.isEmpty()) {
            client.write((long) blocks * BLOCK, content(blocks++));
        }
        SlowVolume.Attempt pending = volume.next();
        CompletableFuture<Void> closed = CompletableFuture.runAsync(() -> vdi.close(operation));
        while (engine.find(vdi.uuid()).isPresent()) {
            operation.checkpoint();
        }
        volume.succeed(pending);
        closed.orTimeout(30, TimeUnit.SECONDS).join();
        assertInOrder(blocks);
    }

    @Test
    void anImageThatWasNotWrittenIsAsItWas() throws Exception {
        byte[] before = Files.readAllBytes(file);
        ActiveVdi vdi = activate();
        volume.succeed(volume.next());
        vdi.close(operation);
        assertArrayEquals(before, Files.readAllBytes(file));
    }
}
