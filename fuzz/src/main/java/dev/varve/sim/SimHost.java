// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.image.BlockAccess;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;

/**
 * A host from power-on to power-off: one lane with one volume.
 *
 * <p><b>Threads:</b> one, which is also the lane's.
 */
public final class SimHost implements AutoCloseable {
    private static final long METADATA_BYTES = 1 << 20;

    private final SimMachine machine;
    private final SimDisk disk;
    private final OpenVolume volume;
    private final BlockAccess access;

    /**
     * @param content what the medium holds when the power comes on
     * @param filters filters right in front of the medium
     */
    public SimHost(
            SimClock clock,
            RandomGenerator random,
            FaultPlan plan,
            Trace trace,
            SimContent content,
            List<BlockFilter> filters) {
        machine = new SimMachine(clock, 1, METADATA_BYTES, null);
        disk = new SimDisk(machine.backend(), random, plan, trace, content);
        SimVolume simVolume = new SimVolume(machine.backend(), random, plan, disk);
        volume = new OpenVolume(lane(), simVolume, true, filters);
        access = volume.access(machine.operation());
    }

    SimMachine machine() {
        return machine;
    }

    /** The lane. */
    public Lane lane() {
        return machine.lanes().getFirst();
    }

    /** What the lane runs on. */
    public SimBackend backend() {
        return machine.backend();
    }

    /** The medium. */
    public SimDisk disk() {
        return disk;
    }

    /** The volume, open on the lane. */
    public OpenVolume volume() {
        return volume;
    }

    /** The volume for code that waits; waiting is running the lane. */
    public BlockAccess access() {
        return access;
    }

    /** Memory that lives as long as the host. */
    public MemorySegment allocate(long bytes) {
        return machine.allocate(bytes);
    }

    /** Runs the lane until something has happened. */
    public void runUntil(BooleanSupplier happened) {
        machine.runUntil(happened);
    }

    /** One turn of the lane, and a jump of the clock when there was nothing to do. */
    void turn() {
        machine.turn();
    }

    /** Lets time go by. */
    public void runFor(long nanos) {
        machine.runFor(nanos);
    }

    @Override
    public void close() {
        machine.close();
    }
}
