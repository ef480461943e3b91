// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims.Claim;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;

/** Hosts on one file, in simulated time. */
class SharedClaimsTest {
    private static final UUID POOL = new UUID(7, 7);
    private static final UUID SR = new UUID(7, 8);
    private static final UUID DISK = new UUID(0, 3);
    private static final int SLOTS = 4;
    private static final ClaimSettings SETTINGS = ClaimSettings.shared();

    @TempDir Path directory;
    private final SimulatedTime time = new SimulatedTime();
    private final Random random = new Random(1);
    private FileMedium medium;
    private ClaimArea area;

    @BeforeEach
    void makeArea() throws IOException {
        Path path = directory.resolve("lun");
        try (RandomAccessFile file = new RandomAccessFile(path.toString(), "rw")) {
            file.setLength(ClaimArea.bytes(SLOTS));
        }
        medium = FileMedium.open(path, 4096, true);
        byte[] old = new byte[1 << 20];
        Arrays.fill(old, (byte) 0xAA);
        medium.write(0, old);
        ClaimArea.format(medium, 0, ClaimArea.bytes(SLOTS), POOL, SR);
        area = ClaimArea.open(medium, 0);
    }

    @AfterEach
    void closeFile() {
        medium.close();
    }

    /** Of another boot each, so that nobody can tell whether it is gone. */
    private SharedClaims host(int number) {
        return host(number, 1);
    }

    private SharedClaims host(int number, int life) {
        return host(number, life, area);
    }

    private SharedClaims host(int number, BlockMedium through) {
        return host(number, 1, ClaimArea.open(through, 0));
    }

    private SharedClaims host(int number, int life, ClaimArea seen) {
        return SharedClaims.attach(
                seen,
                uuid(number),
                new Holder("boot " + number + "." + life, "pid:[1]", 1, 1),
                SETTINGS,
                time,
                RandomSource.of(random),
                time);
    }

    private static UUID uuid(int number) {
        return new UUID(2, number);
    }

    // ---- the area

    @Test
    void areaBelongsToOnePool() {
        area.requirePool(POOL);
        StorageException failure =
                assertFails(ErrorCode.LVM_MASTER, () -> area.requirePool(new UUID(7, 9)));
        assertTrue(failure.sentence().contains(POOL.toString()));
    }

    @Test
    void areaThatIsNotThereIsNotOpened() {
        medium.write(0, new byte[] {1});
        assertFalse(ClaimArea.isPresent(medium, 0));
        assertFails(ErrorCode.SR_METADATA, () -> ClaimArea.open(medium, 0));
    }

    @Test
    void moreHostsThanPlacesAreRefused() {
        for (int i = 0; i < SLOTS; i++) {
            host(i);
        }
        StorageException failure = assertFails(ErrorCode.SR_LOCK_FAILED, () -> host(SLOTS));
        assertTrue(failure.sentence().contains("4 places"), failure.sentence());
    }

    @Test
    void placeThatWasGivenUpIsUsedAgain() {
        List<SharedClaims> hosts = new ArrayList<>();
        for (int i = 0; i < SLOTS; i++) {
            hosts.add(host(i));
        }
        long epoch = hosts.get(2).acquire(DISK, Mode.WRITE).epoch();
        hosts.get(2).release(hosts.get(2).acquire(DISK, Mode.WRITE));
        hosts.get(2).close();
        SharedClaims newcomer = host(SLOTS);
        assertTrue(newcomer.othersEpoch() > epoch);
        assertTrue(newcomer.acquire(DISK, Mode.WRITE).epoch() > newcomer.othersEpoch());
    }

    /** What such a disk is written to by may go on for a while. */
    @Test
    void claimThatWasNotReleasedOutlivesItsDaemon() {
        SharedClaims first = host(1);
        first.acquire(DISK, Mode.WRITE);
        first.close();
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> host(2).acquire(DISK, Mode.READ));
        host(1, 2).acquire(DISK, Mode.WRITE);
    }

    @Test
    void damagedPlaceStopsClaims() {
        SharedClaims ours = host(1);
        byte[] damage = new byte[512];
        damage[0] = 1;
        medium.write(4096 * 3, damage);
        assertFails(ErrorCode.SR_METADATA, () -> ours.acquire(DISK, Mode.READ));
        assertFails(ErrorCode.SR_METADATA, ours::othersHave);
        assertFails(ErrorCode.SR_METADATA, () -> ours.alone(_ -> {}));
    }

    @Test
    void hostHasManyClaims() {
        SharedClaims ours = host(1);
        SharedClaims theirs = host(2);
        List<Claim> claims = new ArrayList<>();
        for (int i = 0; i < 150; i++) {
            claims.add(ours.acquire(new UUID(9, i), Mode.WRITE));
        }
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> theirs.acquire(new UUID(9, 149), Mode.READ));
        assertEquals(List.of(claims.get(7)), theirs.holders(new UUID(9, 7)));
        ours.release(claims.getLast());
        theirs.acquire(new UUID(9, 149), Mode.READ);
    }

    // ---- silence

    @Test
    void hostThatCannotSayThatItLivesStops() {
        SharedClaims ours = host(1);
        List<Boolean> told = new ArrayList<>();
        ours.onFence(told::add);
        time.pass(SETTINGS.termNanos() / 3 - 1);
        assertFalse(ours.isFenced());
        ours.beat();
        time.pass(SETTINGS.termNanos() / 3 + 1);
        assertTrue(ours.isFenced());
        assertFails(ErrorCode.SR_UNAVAILABLE, () -> ours.acquire(DISK, Mode.READ));
        ours.checkFence();
        ours.beat();
        assertFalse(ours.isFenced());
        ours.acquire(DISK, Mode.READ);
        assertEquals(List.of(true, false), told);
    }

    @Test
    void silenceAloneFreesNothing() {
        host(1).acquire(DISK, Mode.WRITE);
        SharedClaims ours = host(2);
        for (int i = 0; i < 100; i++) {
            time.pass(SETTINGS.beatNanos());
            ours.beat();
        }
        StorageException failure =
                assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours.acquire(DISK, Mode.READ));
        assertTrue(failure.sentence().contains("silent"), failure.sentence());
        assertFalse(ours.alone(_ -> {}));
    }

    @Test
    void personFreesTheClaimsOfADeadHost() {
        SharedClaims dead = host(1);
        dead.acquire(DISK, Mode.WRITE);
        SharedClaims ours = host(2);
        SharedClaims third = host(3);
        time.meanwhile(ours::beat);
        long before = time.nanoTime();
        ours.force(uuid(1));
        assertTrue(time.nanoTime() - before >= SETTINGS.termNanos());
        assertTrue(dead.isFenced());
        third.beat();
        third.acquire(DISK, Mode.WRITE);
        assertFails(ErrorCode.SR_UNAVAILABLE, dead::beat);
        assertFails(ErrorCode.SR_UNAVAILABLE, () -> dead.acquire(DISK, Mode.READ));
        SharedClaims again = host(1, 2);
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> again.acquire(DISK, Mode.READ));
    }

    /** Who waits for it to be allowed to go on has to know that it never is. */
    @Test
    void hostThatHasStoppedTellsThatItIsOut() {
        SharedClaims dead = host(1);
        SharedClaims ours = host(2);
        List<Boolean> lost = new ArrayList<>();
        dead.onFence(fenced -> lost.add(fenced && dead.isLost()));
        time.meanwhile(ours::beat);
        dead.acquire(DISK, Mode.WRITE);
        time.pass(SETTINGS.termNanos() / 3 + 1);
        dead.checkFence();
        ours.beat();
        ours.force(uuid(1));
        assertFails(ErrorCode.SR_UNAVAILABLE, dead::beat);
        assertEquals(List.of(false, true), lost);
    }

    /** The one who put it out may be gone by then. */
    @Test
    void hostThatIsOutStaysOutWhenTheOtherOneLeaves() {
        SharedClaims dead = host(1);
        dead.acquire(DISK, Mode.WRITE);
        SharedClaims second = host(2);
        AtomicBoolean here = new AtomicBoolean(true);
        time.meanwhile(() -> beatIf(here, second));
        second.force(uuid(1));
        here.set(false);
        second.close();
        SharedClaims third = host(3);
        third.acquire(DISK, Mode.WRITE);
        assertFails(ErrorCode.SR_UNAVAILABLE, dead::beat);
    }

    private static void beatIf(AtomicBoolean here, SharedClaims claims) {
        if (here.get()) {
            claims.beat();
        }
    }

    /**
     * <pre>
     * host 1   -- silent for a term --                        beat
     * host 2                            decides to put it out |      writes that
     * </pre>
     */
    @Test
    void hostThatWakesUpAtTheLastMomentIsNotPutOut() {
        SharedClaims waking = host(1);
        waking.acquire(DISK, Mode.WRITE);
        AtomicReference<Runnable> before = new AtomicReference<>(() -> {});
        SharedClaims ours = host(2, hooked(before));
        long begin = time.nanoTime();
        time.meanwhile(
                () -> {
                    ours.beat();
                    if (time.nanoTime() - begin >= SETTINGS.termNanos()) {
                        before.set(waking::beat);
                    }
                });
        assertFails(ErrorCode.SR_IN_USE, () -> ours.force(uuid(1)));
        waking.beat();
        assertFalse(waking.isFenced());
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours.acquire(DISK, Mode.READ));
    }

    /**
     * <pre>
     * host 1   -- silent for a term --                         beat, finds itself out
     * host 2                          announces it -- looks -- |    makes it certain
     * </pre>
     */
    @Test
    void hostThatWakesUpTooLateFindsItselfOut() {
        SharedClaims waking = host(1);
        waking.acquire(DISK, Mode.WRITE);
        AtomicReference<Runnable> before = new AtomicReference<>(() -> {});
        SharedClaims ours = host(2, hooked(before));
        List<StorageException> found = new ArrayList<>();
        Runnable wake = () -> found.add(assertFails(ErrorCode.SR_UNAVAILABLE, waking::beat));
        long begin = time.nanoTime();
        time.meanwhile(
                () -> {
                    ours.beat();
                    if (time.nanoTime() - begin >= SETTINGS.termNanos()) {
                        // The table and the record of the announcement are written before.
                        before.set(() -> before.set(() -> before.set(wake)));
                    }
                });
        ours.force(uuid(1));
        assertEquals(1, found.size());
        assertTrue(waking.isFenced());
        ours.acquire(DISK, Mode.WRITE);
    }

    /** Does something before a write of the second host, once. */
    private BlockMedium hooked(AtomicReference<Runnable> before) {
        return (BlockMedium)
                Proxy.newProxyInstance(
                        BlockMedium.class.getClassLoader(),
                        new Class<?>[] {BlockMedium.class},
                        (_, method, arguments) -> {
                            if (method.getName().equals("write")) {
                                before.getAndSet(() -> {}).run();
                            }
                            return method.invoke(medium, arguments);
                        });
    }

    @Test
    void livingHostIsNotPutOut() {
        SharedClaims living = host(1);
        living.acquire(DISK, Mode.WRITE);
        SharedClaims ours = host(2);
        time.meanwhile(living::beat);
        assertFails(ErrorCode.SR_IN_USE, () -> ours.force(uuid(1)));
        assertThrows(IllegalArgumentException.class, () -> ours.force(uuid(2)));
        living.beat();
    }

    // ---- the owner

    private static byte[] bytes(int length, int seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    void ownerAnswersOthers() {
        SharedClaims first = host(1);
        SharedClaims second = host(2);
        Ownership owner = new Ownership(first);
        Ownership other = new Ownership(second);
        first.acquire(SR, Mode.WRITE);
        assertTrue(owner.isOwner());
        assertFalse(other.isOwner());
        assertFails(ErrorCode.LVM_MASTER, () -> other.asOwner(() -> {}));
        List<byte[]> asked = new ArrayList<>();
        owner.serve(
                request -> {
                    asked.add(request);
                    return bytes(ClaimArea.MOST_MESSAGE_BYTES - asked.size(), asked.size());
                });
        time.meanwhile(owner::answer);
        for (int i = 1; i <= 5; i++) {
            byte[] request = bytes(ClaimArea.MOST_MESSAGE_BYTES, 100 + i);
            byte[] answer = other.ask(request);
            assertArrayEquals(bytes(ClaimArea.MOST_MESSAGE_BYTES - i, i), answer);
            assertArrayEquals(request, asked.getLast());
        }
        assertEquals(5, asked.size());
    }

    @Test
    void refusalOfTheOwnerIsTold() {
        SharedClaims first = host(1);
        first.acquire(SR, Mode.WRITE);
        Ownership owner = new Ownership(first);
        owner.serve(
                _ -> {
                    throw ErrorCode.SR_NO_SPACE.because("all extents are used");
                });
        time.meanwhile(owner::answer);
        StorageException failure =
                assertFails(ErrorCode.LVM_WRITE, () -> new Ownership(host(2)).ask(new byte[] {1}));
        assertTrue(failure.sentence().contains("all extents are used"), failure.sentence());
    }

    @Test
    void whoAsksWhileThereIsNoOwnerDoesItItself() {
        SharedClaims ours = host(1);
        Ownership ownership = new Ownership(ours);
        ownership.serve(request -> ByteBuffer.allocate(2).put(request).put(request).array());
        assertArrayEquals(new byte[] {7, 7}, ownership.ask(new byte[] {7}));
        assertTrue(ownership.isOwner(), "and stays the owner");
        ownership.release();
        assertFalse(ownership.isOwner());
        assertEquals(List.of(), ours.holders(SR));
    }

    @Test
    void whoseClaimFollowedThatOfTheOwnerKeepsIt() {
        SharedClaims ours = host(1);
        Ownership ownership = new Ownership(ours);
        ownership.become();
        Claim later = ours.acquire(SR, Mode.WRITE);
        ownership.release();
        assertTrue(ownership.isOwner());
        ours.release(later);
        assertFalse(ownership.isOwner());
    }

    /**
     * <pre>
     * owner, first life    -- begins -- does it -- (dies)
     * owner, second life                                  -- attaches -- takes the claim --
     * asker                -- asks -----------------------------------------| is told that it is open
     * </pre>
     */
    @Test
    void requestThatWasBegunIsNotDoneAgain() {
        SharedClaims asker = host(2);
        SharedClaims first = host(1);
        first.acquire(SR, Mode.WRITE);
        Ownership owner = new Ownership(first);
        List<Integer> done = new ArrayList<>();
        owner.serve(
                _ -> {
                    done.add(1);
                    throw new SharedWorld.Crash();
                });
        time.meanwhile(
                () -> {
                    if (done.isEmpty()) {
                        assertThrows(SharedWorld.Crash.class, owner::answer);
                        Ownership next = new Ownership(host(1, 2));
                        next.serve(
                                _ -> {
                                    done.add(2);
                                    return new byte[0];
                                });
                    }
                });
        StorageException failure =
                assertFails(ErrorCode.LVM_WRITE, () -> new Ownership(asker).ask(new byte[1]));
        assertTrue(failure.sentence().contains("ended while"), failure.sentence());
        assertEquals(List.of(1), done);
    }

    /** The request waits for the next owner, and is done by that one, once. */
    @Test
    void requestRidesOutARestartOfTheOwner() {
        SharedClaims asker = host(2);
        SharedClaims first = host(1);
        first.acquire(SR, Mode.WRITE);
        List<Ownership> next = new ArrayList<>();
        List<byte[]> done = new ArrayList<>();
        time.meanwhile(
                () -> {
                    if (next.isEmpty() && time.nanoTime() > 10_000_000_000L) {
                        SharedClaims second = host(1, 2);
                        second.acquire(SR, Mode.WRITE);
                        next.add(new Ownership(second));
                        next.getFirst()
                                .serve(
                                        request -> {
                                            done.add(request);
                                            return new byte[] {5};
                                        });
                    }
                    asker.beat();
                    next.forEach(Ownership::answer);
                });
        assertArrayEquals(new byte[] {5}, new Ownership(asker).ask(new byte[] {1, 2}));
        assertEquals(1, done.size());
    }

    @Test
    void ownerThatDoesNotAnswerIsNotWaitedForForEver() {
        host(1).acquire(SR, Mode.WRITE);
        SharedClaims asker = host(2);
        time.meanwhile(asker::beat);
        assertFails(ErrorCode.LVM_MASTER, () -> new Ownership(asker).ask(new byte[1]));
    }
}
