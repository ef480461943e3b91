// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;

class MemoryDeviceTest implements BlockDeviceContract {
    @Override
    public Subject open(int blockBytes) {
        return new Pumped(
                new TestLane(), new MemoryDevice(new Geometry(SIZE, blockBytes, 4096, blockBytes)));
    }

    @Test
    void refusesMemoryThatIsNotAligned() {
        TestLane lane = new TestLane();
        MemoryDevice device = new MemoryDevice(new Geometry(SIZE, 512, 512, 512));
        BlockRequest request = lane.request(BlockOp.READ, 0, 0, 512);
        request.data(Arena.ofAuto().allocate(4096, 4096), 8);
        device.submit(request);
        assertEquals(IoStatus.INVALID, request.status);
        device.close();
    }
}
