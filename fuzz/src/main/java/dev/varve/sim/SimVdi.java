// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenLayer;
import dev.varve.vdi.image.ImageFormat;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.UUID;

/** A disk that is active on a simulated host. */
final class SimVdi {
    private static final UUID ID = new UUID(0x5EED, 2);
    private static final int REQUESTS = 16;

    private final SimMachine machine;
    private final ActiveVdi vdi;

    /** Opens the image of the host's volume; this is also what repairs it after a crash. */
    SimVdi(SimHost host, ImageFormat format, Sabotage sabotage) {
        this(
                host.machine(),
                new ActiveVdi(
                        ID,
                        List.of(
                                new OpenLayer(
                                        host.volume(),
                                        sabotage.wrap(format.open(host.access(), true)))),
                        true,
                        REQUESTS,
                        sabotage.aboveDisk(),
                        below -> {},
                        () -> {}));
    }

    /** A disk that is active already. */
    SimVdi(SimMachine machine, ActiveVdi vdi) {
        this.machine = machine;
        this.vdi = vdi;
    }

    ActiveVdi active() {
        return vdi;
    }

    long sizeBytes() {
        return vdi.device().geometry().sizeBytes();
    }

    /** Starts a request. */
    void submit(
            BlockOp op,
            int flags,
            long offset,
            long length,
            MemorySegment memory,
            long memoryOffset,
            BlockCompletion completion) {
        BlockRequest request = vdi.lane().acquire().set(op, flags, offset, length);
        request.data(memory, memoryOffset).push(completion);
        vdi.device().submit(request);
    }

    /** Reads and waits; what was read is there until the next call for any disk of the host. */
    MemorySegment read(long offset, int length) {
        MemorySegment memory = machine.readBuffer();
        IoStatus[] outcome = new IoStatus[1];
        submit(BlockOp.READ, 0, offset, length, memory, 0, end -> outcome[0] = end(end));
        await(outcome, "a read");
        return memory;
    }

    /** Tells which parts of a range hold data. */
    ExtentList extents(long offset, long length) {
        ExtentList list = new ExtentList(64);
        IoStatus[] outcome = new IoStatus[1];
        BlockRequest request = vdi.lane().acquire().set(BlockOp.EXTENTS, 0, offset, length);
        request.extents = list;
        request.push(end -> outcome[0] = end(end));
        vdi.device().submit(request);
        await(outcome, "a question for extents");
        return list;
    }

    private static IoStatus end(BlockRequest request) {
        IoStatus status = request.status;
        request.context.release(request);
        return status;
    }

    private void await(IoStatus[] outcome, String what) {
        machine.runUntil(() -> outcome[0] != null);
        if (outcome[0] != IoStatus.OK) {
            throw new SimulationFailure(what + " ended with " + outcome[0]);
        }
    }

    /** Makes the disk larger. */
    void resize(long newSizeBytes) {
        vdi.resize(newSizeBytes, machine.operation());
    }

    /** Leaves the image in order. */
    void close() {
        vdi.close(machine.operation());
    }
}
