// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.DirectContext;
import dev.varve.sr.contract.Errors;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Scheduler;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Two names of one file stand for two paths to a LUN. */
class MultipathMediumTest {
    private static final int SIZE = 1 << 20;
    private static final String SCSI_ID = "35000c500aaaa0003";

    @TempDir Path directory;
    private final List<PathCandidate> there = new ArrayList<>();
    private final List<Runnable> turns = new ArrayList<>();
    private boolean schedulerClosed;
    private Path file;

    /** Whether the LUN says that it has a cache. */
    private boolean cached = true;

    private MultipathMedium medium;

    private final class Turns implements Scheduler {
        @Override
        public Handle after(long delay, TimeUnit unit, Runnable work) {
            assertEquals(5, unit.toSeconds(delay));
            turns.add(work);
            return () -> turns.remove(work);
        }

        @Override
        public void close() {
            schedulerClosed = true;
        }
    }

    @BeforeEach
    void make() throws IOException {
        file = directory.resolve("lun");
        Files.write(file, new byte[SIZE]);
        there.add(candidate("sda", 512));
        there.add(candidate("sdb", 512));
    }

    @AfterEach
    void close() {
        if (medium != null) {
            medium.close();
            assertTrue(schedulerClosed);
        }
    }

    private PathCandidate candidate(String name, int blockBytes) throws IOException {
        Path node = directory.resolve(name);
        if (!Files.exists(node)) {
            Files.createLink(node, file);
        }
        return new PathCandidate(node, "8:0", name, blockBytes, SIZE, true, 0, cached);
    }

    private void open(long holdSeconds) {
        medium =
                MultipathMedium.open(
                        SCSI_ID,
                        () -> List.copyOf(there),
                        true,
                        new PathSettings(holdSeconds, 5),
                        new MultipathMedium.Services(Clock.system(), new Turns(), Runnable::run),
                        Optional.empty());
    }

    private void turn() {
        List<Runnable> now = List.copyOf(turns);
        turns.clear();
        now.forEach(Runnable::run);
    }

    @Test
    void disksAndTheRepositorySeeTheSameBytes() {
        open(120);
        try (DirectContext lane = new DirectContext()) {
            medium.write(513, new byte[] {1, 2, 3});
            medium.flush();
            for (int i = 0; i < 4; i++) {
                assertEquals(1, lane.read(medium.device(), 512, 512)[1]);
            }
            lane.write(medium.device(), 8192, 4096, 9);
            assertArrayEquals(new byte[] {0, 9}, medium.read(8191, 2));
            assertArrayEquals(new byte[] {0, 9}, medium.read(8191, 2));
            medium.zero(8192, 4096);
            assertEquals(0, lane.read(medium.device(), 8192, 512)[0]);
        }
        assertEquals(SIZE, medium.sizeBytes());
        assertEquals(2, medium.paths().size());
        assertTrue(medium.paths().stream().allMatch(path -> path.healthy()));
        assertEquals(SCSI_ID, medium.paths().getFirst().device());
    }

    @Test
    void pathsComeAndGoAsTheHostShowsThem() throws IOException {
        open(120);
        PathCandidate second = there.removeLast();
        turn();
        assertEquals(1, medium.paths().size());
        there.clear();
        there.add(second);
        turn();
        assertEquals(second.describe(), medium.paths().getFirst().path());
        medium.write(0, new byte[] {4});
        there.add(candidate("sdc", 512));
        turn();
        assertEquals(2, medium.paths().size());
        assertEquals(4, medium.read(0, 1)[0]);
    }

    @Test
    void pathThatTheHostHasOfflineIsLeftAloneUntilItRuns() {
        open(120);
        PathCandidate running = there.removeFirst();
        there.addFirst(
                new PathCandidate(
                        running.node(),
                        running.number(),
                        running.place(),
                        512,
                        SIZE,
                        false,
                        0,
                        cached));
        turn();
        assertFalse(medium.paths().getFirst().healthy());
        assertEquals("the host has it offline", medium.paths().getFirst().lastError());
        medium.check();
        assertFalse(medium.paths().getFirst().healthy());
        there.set(0, running);
        turn();
        assertTrue(medium.paths().getFirst().healthy());
    }

    @Test
    void withoutAPathItIsAwayAndHealsWhenOneComes() {
        open(1);
        List<PathCandidate> before = List.copyOf(there);
        there.clear();
        turn();
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, medium::check);
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, () -> medium.read(0, 1));
        long epoch = medium.device().lossEpoch();
        there.addAll(before);
        medium.check();
        assertEquals(0, medium.read(0, 1)[0]);
        assertTrue(medium.device().lossEpoch() > epoch);
    }

    /** Then nobody has to keep copies of what was not flushed. */
    @Test
    void aLunWithoutACacheLosesNothing() throws IOException {
        cached = false;
        there.clear();
        there.add(candidate("sda", 512));
        open(1);
        assertEquals(BlockDevice.NO_LOSS, medium.device().lossEpoch());
        List<PathCandidate> before = List.copyOf(there);
        there.clear();
        turn();
        there.addAll(before);
        medium.check();
        assertEquals(BlockDevice.NO_LOSS, medium.device().lossEpoch());
    }

    @Test
    void nodeThatCannotBeOpenedIsShownWithTheReason() throws IOException {
        there.add(
                new PathCandidate(
                        directory.resolve("gone"), "8:9", "1:0:0:0", 512, SIZE, true, 0, cached));
        there.add(candidate("sdd", 4096));
        open(120);
        List<String> reasons =
                medium.paths().stream()
                        .filter(path -> !path.healthy())
                        .map(path -> path.lastError())
                        .toList();
        assertEquals(2, reasons.size());
        assertTrue(reasons.toString().contains("ENOENT"), reasons.toString());
        assertTrue(reasons.toString().contains("blocks of 4096 bytes"), reasons.toString());
    }

    @Test
    void lunThatHasGrownIsSeenByACheck() throws IOException {
        open(120);
        Files.write(file, new byte[SIZE + 4096]);
        assertEquals(SIZE, medium.device().geometry().sizeBytes());
        medium.check();
        assertEquals(SIZE + 4096, medium.device().geometry().sizeBytes());
    }

    @Test
    void withoutAnyPathItCannotBeOpened() {
        there.clear();
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, () -> open(120));
        assertTrue(schedulerClosed);
    }

    @Test
    void blocksOf4096BytesGoPastThePageCacheToo() throws IOException {
        there.clear();
        there.add(candidate("sda", 4096));
        there.add(candidate("sdb", 4096));
        open(120);
        medium.write(5000, new byte[] {7});
        assertEquals(7, medium.read(5000, 1)[0]);
        assertEquals(4096, medium.device().geometry().logicalBlockBytes());
    }
}
