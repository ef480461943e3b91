// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.Claims.Claim;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.Test;

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

/** What holds for claims in every kind of repository. */
public interface ClaimsContract {
    UUID US = new UUID(0, 1);
    UUID THEM = new UUID(0, 2);
    UUID DISK = new UUID(0, 3);
    UUID OTHER_DISK = new UUID(0, 4);
    Holder SELF = Holder.self();

    /** The claims of a host as one of its processes sees them, in the one repository of a test. */
    Claims claims(UUID host, Holder process);

    private Claims ours() {
        return claims(US, SELF);
    }

    private Claims theirs() {
        return claims(THEM, SELF);
    }

    /** A process of this boot that is gone: this one's number, with another start. */
    static Holder gone() {
        return new Holder(SELF.bootId(), SELF.pidNamespace(), SELF.pid(), SELF.startTicks() - 1);
    }

    @Test
    default void aWriterExcludesAllOthers() {
        Claims ours = ours();
        Claims theirs = theirs();
        Claim claim = ours.acquire(DISK, Mode.WRITE);
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> theirs.acquire(DISK, Mode.READ));
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> theirs.acquire(DISK, Mode.WRITE));
        theirs.acquire(OTHER_DISK, Mode.WRITE);
        assertEquals(List.of(claim), theirs.holders(DISK));
        ours.release(claim);
        assertEquals(List.of(), theirs.holders(DISK));
        assertEquals(THEM, theirs.acquire(DISK, Mode.WRITE).host());
    }

    @Test
    default void readersExcludeOnlyWriters() {
        Claims ours = ours();
        Claims theirs = theirs();
        Claim mine = ours.acquire(DISK, Mode.READ);
        Claim other = theirs.acquire(DISK, Mode.READ);
        assertEquals(Set.of(mine, other), Set.copyOf(ours.holders(DISK)));
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours.acquire(DISK, Mode.WRITE));
        assertEquals(Set.of(mine, other), Set.copyOf(theirs.holders(DISK)));
        theirs.release(other);
        assertEquals(Mode.WRITE, ours.acquire(DISK, Mode.WRITE).mode());
    }

    @Test
    default void onlyTheLastClaimOfAHostCanBeReleased() {
        Claims ours = ours();
        Claim first = ours.acquire(DISK, Mode.WRITE);
        Claim second = ours.acquire(DISK, Mode.READ);
        ours.release(first);
        assertEquals(List.of(second), ours.holders(DISK));
        ours.release(second);
        ours.release(second);
        assertEquals(List.of(), ours.holders(DISK));
    }

    @Test
    default void claimOfAGoneProcessOfThisBootIsTakenOver() {
        Claim theirs = claims(THEM, gone()).acquire(DISK, Mode.WRITE);
        Claims ours = ours();
        Claim mine = ours.acquire(DISK, Mode.WRITE);
        assertTrue(mine.epoch() > theirs.epoch());
        assertEquals(List.of(mine), ours.holders(DISK));
    }

    @Test
    default void claimOfAnotherBootStays() {
        Holder elsewhere =
                new Holder("another boot", SELF.pidNamespace(), SELF.pid(), SELF.startTicks() - 1);
        claims(THEM, elsewhere).acquire(DISK, Mode.READ);
        Claims ours = ours();
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours.acquire(DISK, Mode.WRITE));
        ours.acquire(DISK, Mode.READ);
    }

    /** In another container, process 1 is not our process 1; nothing is certain about it. */
    @Test
    default void claimOfAnotherProcessNamespaceStays() {
        Holder contained = new Holder(SELF.bootId(), "pid:[1]", SELF.pid(), SELF.startTicks() - 1);
        claims(THEM, contained).acquire(DISK, Mode.WRITE);
        Claims ours = ours();
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours.acquire(DISK, Mode.READ));
    }

    @Test
    default void ownClaimOfAnEarlierBootIsTakenOver() {
        claims(US, new Holder("earlier", "pid:[1]", 1, 1)).acquire(DISK, Mode.WRITE);
        Claims ours = ours();
        assertEquals(Mode.READ, ours.acquire(DISK, Mode.READ).mode());
        assertEquals(1, ours.holders(DISK).size());
    }

    /** Until this host has it again, or gives it up, nobody else gets it. */
    @Test
    default void ownClaimOfAnEarlierBootExcludesOthers() {
        claims(US, new Holder("earlier", "pid:[1]", 1, 1)).acquire(DISK, Mode.WRITE);
        Claims ours = ours();
        Claims theirs = theirs();
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> theirs.acquire(DISK, Mode.READ));
        ours.release(ours.acquire(DISK, Mode.WRITE));
        theirs.acquire(DISK, Mode.WRITE);
    }

    /** Two daemons that were given the same host UUID must not share a disk for writing. */
    @Test
    default void ownClaimOfAnotherLivingProcessStays() throws IOException {
        Process sleeper = new ProcessBuilder("sleep", "600").start();
        Claims ours;
        try {
            Holder living = living(sleeper.pid());
            claims(US, living).acquire(DISK, Mode.WRITE);
            ours = ours();
            StorageException failure =
                    assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours.acquire(DISK, Mode.READ));
            assertTrue(failure.sentence().contains(Long.toString(sleeper.pid())));
        } finally {
            sleeper.destroyForcibly().onExit().join();
        }
        ours.acquire(DISK, Mode.READ);
    }

    private static Holder living(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
        String start = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[19];
        return new Holder(SELF.bootId(), SELF.pidNamespace(), pid, Long.parseLong(start));
    }

    @Test
    default void epochsGrowOverAllDisks() {
        Claims ours = ours();
        Claims theirs = theirs();
        long first = ours.acquire(DISK, Mode.WRITE).epoch();
        long second = theirs.acquire(OTHER_DISK, Mode.WRITE).epoch();
        long third = ours.acquire(DISK, Mode.WRITE).epoch();
        assertTrue(first < second && second < third);
    }

    @Test
    default void tellsWhatOthersHaveDone() {
        Claims ours = ours();
        Claims theirs = theirs();
        ours.acquire(DISK, Mode.WRITE);
        long before = ours.othersEpoch();
        ours.release(ours.acquire(DISK, Mode.WRITE));
        assertEquals(before, ours.othersEpoch());
        assertFalse(ours.othersHave());
        Claim other = theirs.acquire(OTHER_DISK, Mode.READ);
        assertTrue(ours.othersHave());
        assertEquals(other.epoch(), ours.othersEpoch());
        theirs.release(other);
        assertFalse(ours.othersHave());
        assertEquals(other.epoch(), ours.othersEpoch());
    }

    @Test
    default void worksAloneOnlyWhileOthersHaveNothing() {
        Claims ours = ours();
        Claims theirs = theirs();
        List<Long> done = new ArrayList<>();
        Claim other = theirs.acquire(DISK, Mode.READ);
        assertFalse(ours.alone(done::add));
        theirs.release(other);
        ours.acquire(OTHER_DISK, Mode.WRITE);
        assertTrue(ours.alone(done::add));
        assertEquals(List.of(other.epoch()), done);
        theirs.acquire(DISK, Mode.WRITE);
    }

    @Test
    default void claimsOfGoneProcessesDoNotHinderWorkAlone() {
        claims(THEM, gone()).acquire(DISK, Mode.WRITE);
        Claims ours = ours();
        assertFalse(ours.othersHave());
        assertTrue(ours.alone(_ -> {}));
    }

    /**
     * <pre>
     * host 1   --acquire WRITE--|
     * host 2   --acquire WRITE--|   one of them gets the disk, each time
     * host n   --acquire WRITE--|
     * </pre>
     */
    @Test
    default void oneOfManyHostsGetsADiskForWriting()
            throws InterruptedException, ExecutionException {
        int count = 6;
        List<Claims> hosts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            hosts.add(claims(new UUID(2, i), SELF));
        }
        try (ExecutorService threads =
                Executors.newFixedThreadPool(count, Threads.platformFactory("host-"))) {
            Set<Long> epochs = new HashSet<>();
            for (int round = 0; round < 5; round++) {
                UUID disk = new UUID(1, round);
                List<Callable<Boolean>> attempts =
                        hosts.stream()
                                .map(claims -> (Callable<Boolean>) () -> succeeds(claims, disk))
                                .toList();
                int winners = 0;
                for (Future<Boolean> attempt : threads.invokeAll(attempts)) {
                    winners += attempt.get() ? 1 : 0;
                }
                assertEquals(1, winners);
                assertTrue(epochs.add(hosts.getFirst().holders(disk).getFirst().epoch()));
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
