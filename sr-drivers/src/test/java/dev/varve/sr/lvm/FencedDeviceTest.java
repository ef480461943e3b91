// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.sr.contract.ManualLane;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/** What happens to requests of disks when this host may not use the device. */
class FencedDeviceTest {
    /** A fence that closes silently, as time does it, and tells of it when the test says so. */
    private static final class TestFence implements HostFence {
        private final List<Consumer<Boolean>> listeners = new ArrayList<>();
        private boolean fenced;
        private boolean lost;

        void tell() {
            listeners.forEach(listener -> listener.accept(fenced));
        }

        @Override
        public boolean isFenced() {
            return fenced || lost;
        }

        @Override
        public boolean isLost() {
            return lost;
        }

        @Override
        public void require() {
            if (isFenced()) {
                throw ErrorCode.SR_UNAVAILABLE.because("fenced");
            }
        }

        @Override
        public void onFence(Consumer<Boolean> listener) {
            listeners.add(listener);
        }
    }

    /** Notes what reaches it. */
    private static final class Below implements BlockDevice {
        private final List<Long> offsets = new ArrayList<>();

        @Override
        public Geometry geometry() {
            throw new UnsupportedOperationException("nobody asks");
        }

        @Override
        public Set<BlockFeature> features() {
            return Set.of();
        }

        @Override
        public void submit(BlockRequest request) {
            offsets.add(request.offset);
            request.complete(IoStatus.OK);
        }

        @Override
        public void close() {}
    }

    private final Below below = new Below();
    private final TestFence fence = new TestFence();
    private final FencedDevice device = new FencedDevice(below);
    private final ManualLane lane = new ManualLane();
    private final ManualLane other = new ManualLane();
    private final List<IoStatus> ends = new ArrayList<>();

    @BeforeEach
    void guard() {
        device.guard(fence);
    }

    private void submit(ManualLane from, BlockOp op, long offset) {
        BlockRequest request = new BlockRequest(from).set(op, 0, offset, 512);
        device.submit(request.push(ended -> ends.add(ended.status)));
    }

    @Test
    void requestsPassWhileTheFenceIsOpen() {
        submit(lane, BlockOp.WRITE, 1);
        assertEquals(List.of(1L), below.offsets);
        assertEquals(List.of(IoStatus.OK), ends);
    }

    /** Nobody has told that it is closed: the device asks. */
    @Test
    void requestsOfAllLanesAreHeldUntilItOpens() {
        fence.fenced = true;
        submit(lane, BlockOp.WRITE, 1);
        submit(lane, BlockOp.FLUSH, 2);
        submit(other, BlockOp.READ, 3);
        submit(lane, BlockOp.DISCARD, 4);
        lane.pump();
        other.pump();
        fence.tell();
        lane.pump();
        other.pump();
        assertEquals(List.of(), below.offsets);
        fence.fenced = false;
        fence.tell();
        other.pump();
        assertEquals(List.of(3L), below.offsets);
        lane.pump();
        assertEquals(List.of(3L, 1L, 2L, 4L), below.offsets);
        assertEquals(List.of(IoStatus.OK, IoStatus.OK, IoStatus.OK, IoStatus.OK), ends);
        lane.advance(2 * FencedDevice.HOLD_NANOS);
        assertEquals(4, ends.size());
    }

    /** It opened, and told so, between the look at it and the note that something waits. */
    @Test
    void requestThatIsHeldTooLateGoesOn() {
        fence.fenced = true;
        submit(lane, BlockOp.WRITE, 1);
        fence.fenced = false;
        lane.pump();
        assertEquals(List.of(1L), below.offsets);
    }

    @Test
    void nothingReachesADeviceThatIsLost() {
        fence.fenced = true;
        submit(lane, BlockOp.WRITE, 1);
        fence.lost = true;
        fence.tell();
        lane.pump();
        submit(lane, BlockOp.READ, 2);
        assertEquals(List.of(), below.offsets);
        assertEquals(List.of(IoStatus.IO_ERROR, IoStatus.IO_ERROR), ends);
    }

    @Test
    void requestsAreNotHeldForEver() {
        fence.fenced = true;
        submit(lane, BlockOp.WRITE, 1);
        lane.advance(FencedDevice.HOLD_NANOS - 1);
        assertEquals(List.of(), ends);
        lane.advance(1);
        assertEquals(List.of(IoStatus.TIMED_OUT), ends);
        submit(lane, BlockOp.WRITE, 2);
        fence.fenced = false;
        fence.tell();
        lane.pump();
        assertEquals(List.of(2L), below.offsets);
    }
}
