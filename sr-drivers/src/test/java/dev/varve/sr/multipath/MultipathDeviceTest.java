// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.ManualLane;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.ffi.Libc;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

class MultipathDeviceTest {
    private static final int EREMOTEIO = 121;
    private static final int EBADE = 52;

    private final ManualLane lane = new ManualLane();
    private final FakeDisk one = new FakeDisk("sda");
    private final FakeDisk two = new FakeDisk("sdb");
    private final List<DiskPath> troubled = new ArrayList<>();
    private final List<BlockRequest> finished = new ArrayList<>();
    private PathSet paths;
    private MultipathDevice device;
    private DiskPath first;
    private DiskPath second;
    private boolean heals;

    private void open(long holdSeconds, int rankOfSecond) {
        paths = new PathSet(lane, new PathSettings(holdSeconds, 5));
        device =
                new MultipathDevice(
                        paths, this::troubled, Runnable::run, one.geometry(), one.features(), true);
        first = one.path(0, device::ended);
        second = two.path(rankOfSecond, device::ended);
        paths.add(first);
        paths.add(second);
    }

    private void troubled(DiskPath path) {
        troubled.add(path);
        if (heals) {
            lane.execute(() -> paths.heal(path));
        }
    }

    private BlockRequest submit(BlockOp op) {
        BlockRequest request = new BlockRequest(lane).set(op, 0, 0, 512);
        request.push(finished::add);
        device.submit(request);
        lane.pump();
        return request;
    }

    @Test
    void requestsTakeThePathsInTurn() {
        open(120, 0);
        for (int i = 0; i < 10; i++) {
            assertEquals(IoStatus.OK, submit(BlockOp.READ).status);
        }
        assertEquals(5, one.served);
        assertEquals(5, two.served);
        assertNotEquals(BlockDevice.NO_LOSS, device.lossEpoch());
    }

    @Test
    void pathThatTheArrayLikesLessServesOnlyWhenTheOthersFail() {
        open(120, 1);
        submit(BlockOp.READ);
        submit(BlockOp.READ);
        assertEquals(0, two.served);
        one.error = -Libc.ENOLINK;
        assertEquals(IoStatus.OK, submit(BlockOp.READ).status);
        assertEquals(1, two.served);
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                Libc.EIO,
                Libc.ENOLINK,
                Libc.ETIMEDOUT,
                Libc.ESHUTDOWN,
                Libc.ENODEV,
                Libc.ENXIO
            })
    void requestOfAFailedPathGoesOnOverAnother(int error) {
        open(120, 0);
        one.error = -error;
        for (BlockOp op : List.of(BlockOp.WRITE, BlockOp.FLUSH, BlockOp.READ)) {
            assertEquals(IoStatus.OK, submit(op).status);
        }
        assertEquals(List.of(first), troubled);
        assertFalse(first.isHealthy());
        assertEquals(3, finished.size());
        assertEquals(1, paths.health("x").getFirst().failures());
        assertEquals(Libc.errorName(error), paths.health("x").getFirst().lastError());
        assertEquals(1, device.lossEpoch(), "one path stayed, so nothing was lost");
    }

    @ParameterizedTest
    @ValueSource(ints = {EREMOTEIO, EBADE, Libc.EINVAL, Libc.EOPNOTSUPP, Libc.ENOSPC, Libc.EROFS})
    void whatTheLunItselfAnswersIsTheAnswer(int error) {
        open(120, 0);
        one.error = -error;
        two.error = -error;
        assertEquals(IoStatus.ofError(-error), submit(BlockOp.WRITE).status);
        assertEquals(1, one.served + two.served);
        assertTrue(first.isHealthy() && second.isHealthy());
    }

    @Test
    void unpluggedDiskThatSaysItIsFullIsAFailedPath() {
        open(120, 0);
        one.error = -Libc.ENOSPC;
        one.size = 0;
        assertEquals(IoStatus.OK, submit(BlockOp.WRITE).status);
        assertEquals(IoStatus.OK, submit(BlockOp.WRITE).status);
        assertFalse(first.isHealthy());
    }

    @Test
    void withoutAPathRequestsWaitAndGoOnInTheirOrder() {
        open(120, 0);
        one.error = -Libc.EIO;
        two.error = -Libc.EIO;
        List<BlockRequest> waiting = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            waiting.add(submit(BlockOp.WRITE));
            lane.advance(TimeUnit.SECONDS.toNanos(30));
        }
        assertEquals(List.of(), finished);
        two.error = 0;
        paths.heal(second);
        assertEquals(2, device.lossEpoch(), "what was not flushed may be lost");
        lane.pump();
        assertEquals(waiting, finished);
        assertTrue(finished.stream().allMatch(request -> request.status == IoStatus.OK));
    }

    @Test
    void requestsFailWhenNoPathComesBackInTimeAndWorkAgainWhenOneDoes() {
        open(120, 0);
        one.error = -Libc.EIO;
        two.error = -Libc.EIO;
        submit(BlockOp.WRITE);
        lane.advance(TimeUnit.SECONDS.toNanos(119));
        submit(BlockOp.READ);
        assertEquals(0, finished.size());
        lane.advance(TimeUnit.SECONDS.toNanos(1));
        assertEquals(2, finished.size());
        assertEquals(IoStatus.IO_ERROR, submit(BlockOp.READ).status);
        one.error = 0;
        paths.heal(first);
        assertEquals(IoStatus.OK, submit(BlockOp.READ).status);
        assertEquals(4, finished.size());
    }

    @Test
    void shortOutagesDoNotAddUp() {
        open(120, 0);
        for (int i = 0; i < 4; i++) {
            one.error = -Libc.EIO;
            two.error = -Libc.EIO;
            BlockRequest request = submit(BlockOp.WRITE);
            lane.advance(TimeUnit.SECONDS.toNanos(60));
            one.error = 0;
            paths.heal(first);
            lane.pump();
            assertEquals(IoStatus.OK, request.status);
        }
    }

    @Test
    void patienceWithoutEndNeverFails() {
        open(0, 0);
        one.error = -Libc.EIO;
        two.error = -Libc.EIO;
        BlockRequest request = submit(BlockOp.WRITE);
        lane.advance(TimeUnit.DAYS.toNanos(30));
        assertEquals(0, finished.size());
        one.error = 0;
        paths.heal(first);
        lane.pump();
        assertEquals(IoStatus.OK, request.status);
    }

    @Test
    void requestThatFailsOnPathsThatWorkFailsInTheEnd() {
        open(120, 0);
        heals = true;
        one.error = -Libc.EIO;
        two.error = -Libc.EIO;
        BlockRequest request = submit(BlockOp.READ);
        for (int i = 0; i < 20 && finished.isEmpty(); i++) {
            lane.pump();
        }
        assertEquals(List.of(request), finished);
        assertEquals(IoStatus.IO_ERROR, request.status);
        assertTrue(one.served + two.served <= 10, "served " + (one.served + two.served));
    }

    /** The bean itself allocates a little for each call. */
    private static long allocatedBytes() throws ReflectiveOperationException {
        Object bean =
                Class.forName("java.lang.management.ManagementFactory")
                        .getMethod("getThreadMXBean")
                        .invoke(null);
        return (long)
                Class.forName("com.sun.management.ThreadMXBean")
                        .getMethod("getCurrentThreadAllocatedBytes")
                        .invoke(bean);
    }

    @Test
    void requestsOverHealthyPathsAllocateNothing() throws ReflectiveOperationException {
        open(120, 0);
        BlockRequest request = new BlockRequest(lane);
        BlockCompletion nothing = _ -> {};
        long before = 0;
        for (int i = 0; i < 200_000; i++) {
            if (i == 100_000) {
                before = allocatedBytes();
            }
            request.set(BlockOp.WRITE, 0, 0, 512).push(nothing);
            device.submit(request);
        }
        long bytes = allocatedBytes() - before;
        assertTrue(bytes < 100_000, bytes + " bytes for 100000 requests");
        assertEquals(200_000, one.served + two.served);
    }

    @Test
    void pathThatWasTakenOutIsClosedWhenItsLastRequestHasEnded() {
        open(120, 0);
        one.keeps = true;
        two.keeps = true;
        submit(BlockOp.WRITE);
        submit(BlockOp.WRITE);
        paths.remove(first);
        paths.remove(first);
        assertEquals(0, one.closed);
        one.error = -Libc.ENXIO;
        one.finish();
        assertEquals(1, one.closed);
        assertEquals(0, finished.size());
        two.finish();
        assertEquals(2, finished.size());
        assertFalse(first.enter());
        assertEquals(1, one.closed);
    }

    @Test
    void errorOfAnEarlierUseBlamesNobody() {
        open(120, 0);
        BlockRequest request = new BlockRequest(lane).set(BlockOp.READ, 0, 0, 512);
        one.error = -Libc.EIO;
        two.error = -EREMOTEIO;
        request.push(finished::add);
        device.submit(request);
        paths.heal(first);
        request.set(BlockOp.EXTENTS, 0, 0, 512).push(finished::add);
        request.push(first.completion());
        assertTrue(first.enter());
        request.complete(IoStatus.NOT_SUPPORTED);
        assertEquals(IoStatus.NOT_SUPPORTED, request.status);
        assertTrue(first.isHealthy());
    }
}
