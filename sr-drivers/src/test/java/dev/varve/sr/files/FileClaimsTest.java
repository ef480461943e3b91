// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

class FileClaimsTest {
    private static final UUID US = new UUID(0, 1);
    private static final UUID THEM = new UUID(0, 2);
    private static final UUID DISK = new UUID(0, 3);

    @TempDir Path root;
    private final FileOps ops = new LinuxFileOps();
    private final Holder self = Holder.self();

    @BeforeEach
    void makeDirectories() {
        FileVolumeStore.prepare(new Names(root), ops);
    }

    private Claims claims(UUID host, Holder process) {
        return new FileClaims(root, host, ops, process);
    }

    private Claims ours() {
        return claims(US, self);
    }

    /** A process of this boot that is gone: this one's number, with another start. */
    private Holder gone() {
        return new Holder(self.bootId(), self.pidNamespace(), self.pid(), self.startTicks() - 1);
    }

    @Test
    void thisProcessLives() {
        assertFalse(self.isGone(self));
        assertTrue(gone().isGone(self));
        assertEquals(self, Holder.self());
    }

    /**
     * The child ends when its input does, which is after its parent has become a program that never
     * asks for the end of a child.
     */
    @Test
    void processOfWhichOnlyItsEntryIsLeftIsGone() throws Exception {
        String script = "exec 3<&0; cat <&3 >/dev/null & echo $!; exec sleep 60";
        Process parent = new ProcessBuilder("sh", "-c", script).start();
        try {
            long pid = Long.parseLong(parent.inputReader().readLine());
            awaitField(parent.pid(), 1, "(sleep)");
            parent.getOutputStream().close();
            String[] fields = awaitField(pid, 2, "Z");
            long start = Long.parseLong(fields[21]);
            assertTrue(new Holder(self.bootId(), self.pidNamespace(), pid, start).isGone(self));
        } finally {
            parent.destroyForcibly();
        }
    }

    private static String[] awaitField(long pid, int field, String value) throws IOException {
        Path stat = Path.of("/proc", Long.toString(pid), "stat");
        while (true) {
            String[] fields = Files.readString(stat).split(" ", -1);
            if (fields[field].equals(value)) {
                return fields;
            }
            Thread.onSpinWait();
        }
    }

    @Test
    void claimOfAGoneProcessOfThisBootIsTakenOver() {
        Claims.Claim theirs = claims(THEM, gone()).acquire(DISK, Mode.WRITE);
        Claims.Claim mine = ours().acquire(DISK, Mode.WRITE);
        assertTrue(mine.epoch() > theirs.epoch());
        assertEquals(List.of(mine), ours().holders(DISK));
    }

    @Test
    void aFullRepositoryHasRoomForAClaim() {
        FullFileOps disk = new FullFileOps();
        Claims claims = new FileClaims(root, US, disk, self);
        claims.release(claims.acquire(DISK, Mode.WRITE));
        disk.fill();
        Claims.Claim claim = claims.acquire(DISK, Mode.WRITE);
        assertEquals(List.of(claim), claims.holders(DISK));
        disk.fill();
        UUID other = new UUID(0, 4);
        assertFails(ErrorCode.SR_NO_SPACE, () -> claims.acquire(other, Mode.WRITE));
        claims.release(claim);
        assertEquals(List.of(), claims.holders(DISK));
    }

    @Test
    void claimOfAnotherBootStays() {
        Holder elsewhere =
                new Holder("another boot", self.pidNamespace(), self.pid(), self.startTicks() - 1);
        claims(THEM, elsewhere).acquire(DISK, Mode.READ);
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours().acquire(DISK, Mode.WRITE));
        ours().acquire(DISK, Mode.READ);
    }

    /** In another container, process 1 is not our process 1; nothing is certain about it. */
    @Test
    void claimOfAnotherProcessNamespaceStays() {
        Holder contained = new Holder(self.bootId(), "pid:[1]", self.pid(), self.startTicks() - 1);
        claims(THEM, contained).acquire(DISK, Mode.WRITE);
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours().acquire(DISK, Mode.READ));
    }

    @Test
    void ownClaimOfAnEarlierBootIsTakenOver() {
        claims(US, new Holder("earlier", "pid:[1]", 1, 1)).acquire(DISK, Mode.WRITE);
        assertEquals(Mode.READ, ours().acquire(DISK, Mode.READ).mode());
        assertEquals(1, ours().holders(DISK).size());
    }

    /** Two daemons that were given the same host UUID must not share a disk for writing. */
    @Test
    void ownClaimOfAnotherLivingProcessStays() throws IOException {
        Process sleeper = new ProcessBuilder("sleep", "600").start();
        try {
            Holder living = living(sleeper.pid());
            claims(US, living).acquire(DISK, Mode.WRITE);
            StorageException failure =
                    assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours().acquire(DISK, Mode.READ));
            assertTrue(failure.sentence().contains(Long.toString(sleeper.pid())));
        } finally {
            sleeper.destroyForcibly().onExit().join();
        }
        ours().acquire(DISK, Mode.READ);
    }

    private Holder living(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
        String start = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[19];
        return new Holder(self.bootId(), self.pidNamespace(), pid, Long.parseLong(start));
    }

    @Test
    void unreadableClaimOfAnotherHostExcludesUs() throws IOException {
        Path file = root.resolve(".varve/claims").resolve(DISK + "." + THEM + ".json");
        Files.writeString(file, "{");
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours().acquire(DISK, Mode.READ));
        Files.move(file, file.resolveSibling(DISK + "." + US + ".json"));
        ours().acquire(DISK, Mode.WRITE);
    }

    @Test
    void foreignFilesAreNoClaims() throws IOException {
        Path directory = root.resolve(".varve/claims");
        Files.writeString(directory.resolve(DISK + ".json"), "{");
        Files.writeString(directory.resolve(DISK + ".x.json"), "{");
        Files.writeString(directory.resolve(DISK + "." + THEM + ".json.tmp"), "{");
        assertEquals(List.of(), ours().holders(DISK));
        ours().acquire(DISK, Mode.WRITE);
    }

    @Test
    void epochsGrowOverAllDisks() {
        long first = ours().acquire(DISK, Mode.WRITE).epoch();
        long second = ours().acquire(new UUID(0, 4), Mode.WRITE).epoch();
        long third = ours().acquire(DISK, Mode.WRITE).epoch();
        assertTrue(first < second && second < third);
    }

    @Test
    void damagedEpochIsNotStartedAgain() throws IOException {
        ours().acquire(DISK, Mode.WRITE);
        Files.writeString(root.resolve(".varve/claims/epoch.json"), "{");
        StorageException failure =
                assertFails(ErrorCode.SR_METADATA, () -> ours().acquire(DISK, Mode.WRITE));
        assertTrue(failure.sentence().contains("epoch.json"));
    }

    /**
     * <pre>
     * host 1   --acquire WRITE--|
     * host 2   --acquire WRITE--|   one of them gets the disk, each time
     * host n   --acquire WRITE--|
     * </pre>
     */
    @Test
    void oneOfManyHostsGetsADiskForWriting() throws InterruptedException, ExecutionException {
        int hosts = 8;
        try (ExecutorService threads =
                Executors.newFixedThreadPool(hosts, Threads.platformFactory("host-"))) {
            Set<Long> epochs = new HashSet<>();
            for (int round = 0; round < 5; round++) {
                UUID disk = new UUID(1, round);
                List<Callable<Boolean>> attempts = new ArrayList<>();
                for (int i = 0; i < hosts; i++) {
                    Claims claims = claims(new UUID(2, i), self);
                    attempts.add(() -> succeeds(claims, disk));
                }
                int winners = 0;
                for (Future<Boolean> attempt : threads.invokeAll(attempts)) {
                    winners += attempt.get() ? 1 : 0;
                }
                assertEquals(1, winners);
                assertTrue(epochs.add(ours().holders(disk).getFirst().epoch()));
            }
        }
    }

    private static boolean succeeds(Claims claims, UUID disk) {
        try {
            claims.acquire(disk, Mode.WRITE);
            return true;
        } catch (StorageException e) {
            assertEquals(ErrorCode.SR_VDI_IN_USE, e.code());
            return false;
        }
    }
}
