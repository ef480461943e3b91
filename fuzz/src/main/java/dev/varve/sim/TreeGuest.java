// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.OpenLayer;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * A guest that goes on with its work whatever is done with its disk meanwhile. It never waits, so
 * it can be asked for its next request between any two turns.
 *
 * <p>Requests that overlap while one of them changes data are not sent: their outcome is nobody's
 * promise.
 */
final class TreeGuest {
    private static final int SECTOR = Patterns.SECTOR;
    private static final long BLOCK = 2 << 20;
    private static final int MOST_BYTES = 256 << 10;

    private record Flight(long offset, long end, boolean changes) {}

    private final SimMachine machine;
    private final SimStore store;
    private final SimVdi vdi;
    private final ModelDisk model;
    private final Patterns patterns;
    private final Checker checker;
    private final RandomGenerator random;
    private final long[] places;
    private final List<Flight> flights = new ArrayList<>();
    private final Deque<MemorySegment> memory = new ArrayDeque<>();
    private final int depth;
    private final int pace;
    private OpenLayer leaf;
    private int flushesToMark;
    private boolean stopped;
    private int requests;

    TreeGuest(
            SimMachine machine,
            SimStore store,
            SimVdi vdi,
            ModelDisk model,
            Patterns patterns,
            RandomGenerator random,
            long[] places) {
        this.machine = machine;
        this.store = store;
        this.vdi = vdi;
        this.model = model;
        this.patterns = patterns;
        this.checker = new Checker(patterns, model);
        this.random = random;
        this.places = places;
        this.depth = 1 + random.nextInt(8);
        this.pace = 1 + random.nextInt(6);
        this.leaf = vdi.active().leaf();
    }

    /** How many requests were sent. */
    int requests() {
        return requests;
    }

    /** Sends nothing any more. */
    void stop() {
        stopped = true;
    }

    /** Whether nothing is on its way. */
    boolean isIdle() {
        return flights.isEmpty();
    }

    /** Sends a request, or does not. */
    void step() {
        if (stopped || flights.size() >= depth || random.nextInt(pace) > 0) {
            return;
        }
        if (vdi.active().leaf() != leaf) {
            leaf = vdi.active().leaf();
            flushesToMark = 3;
        }
        int dice = random.nextInt(100);
        if (flushesToMark > 0 && dice < 40) {
            flush();
        } else if (dice < 50) {
            write(random.nextInt(8) == 0 ? BlockRequest.FUA : 0);
        } else if (dice < 66) {
            read();
        } else if (dice < 76) {
            flush();
        } else if (dice < 84) {
            zero(BlockOp.WRITE_ZEROES, random.nextInt(4), offset());
        } else if (dice < 92) {
            zero(BlockOp.DISCARD, random.nextInt(6) == 0 ? BlockRequest.FUA : 0, offset());
        } else {
            giveUpBlock();
        }
    }

    // ---- where

    private long offset() {
        long place = places[random.nextInt(places.length)];
        long near = random.nextLong(-64, 129) * (random.nextBoolean() ? SECTOR : 4096);
        if (random.nextInt(12) == 0) {
            place = random.nextLong(vdi.sizeBytes() / SECTOR) * SECTOR;
        } else if (random.nextInt(16) == 0) {
            place = vdi.sizeBytes();
        }
        return Math.clamp(place + near, 0, vdi.sizeBytes() - SECTOR);
    }

    private long length(long offset) {
        int dice = random.nextInt(100);
        long length;
        if (dice < 50) {
            length = SECTOR * random.nextLong(1, 17);
        } else if (dice < 80) {
            length = 4096 * random.nextLong(1, 9);
        } else {
            length = SECTOR * random.nextLong(1, 257);
        }
        return Math.min(Math.min(length, MOST_BYTES), vdi.sizeBytes() - offset);
    }

    /** Null when something is in the way. */
    private Flight takeOff(long offset, long length, boolean changes) {
        for (Flight other : flights) {
            if ((changes || other.changes)
                    && offset < other.end
                    && other.offset < offset + length) {
                return null;
            }
        }
        Flight flight = new Flight(offset, offset + length, changes);
        flights.add(flight);
        requests++;
        return flight;
    }

    private MemorySegment takeMemory() {
        return memory.isEmpty() ? machine.allocate(MOST_BYTES) : memory.pop();
    }

    // ---- what

    private void write(int flags) {
        long offset = offset();
        long length = length(offset);
        Flight flight = takeOff(offset, length, true);
        if (flight == null) {
            return;
        }
        MemorySegment data = takeMemory();
        int stamp = patterns.stamp();
        patterns.fill(data, 0, stamp, offset / SECTOR, (int) (length / SECTOR));
        ModelDisk.Change change = model.begin(offset, length, stamp, false);
        vdi.submit(
                BlockOp.WRITE,
                flags,
                offset,
                length,
                data,
                0,
                end -> {
                    memory.push(data);
                    changed(end, flight, change);
                });
    }

    /** A whole block, so that a disk that rests on no other gives its place up. */
    private void giveUpBlock() {
        long place = places[random.nextInt(places.length)] / BLOCK * BLOCK;
        if (place >= vdi.sizeBytes()) {
            return;
        }
        BlockOp op = random.nextBoolean() ? BlockOp.DISCARD : BlockOp.WRITE_ZEROES;
        zero(op, 0, place, Math.min(BLOCK * (1 + random.nextInt(2)), vdi.sizeBytes() - place));
    }

    private void zero(BlockOp op, int flags, long offset) {
        zero(op, flags, offset, length(offset));
    }

    private void zero(BlockOp op, int flags, long offset, long length) {
        Flight flight = takeOff(offset, length, true);
        if (flight == null) {
            return;
        }
        ModelDisk.Change change = model.begin(offset, length, Patterns.ZERO, op == BlockOp.DISCARD);
        vdi.submit(op, flags, offset, length, null, 0, end -> changed(end, flight, change));
    }

    private void changed(BlockRequest request, Flight flight, ModelDisk.Change change) {
        flights.remove(flight);
        if (request.status == IoStatus.NO_SPACE && store.wasFull()) {
            model.fail(change);
        } else {
            expectOk(request);
            model.complete(change, request.has(BlockRequest.FUA));
            if (request.has(BlockRequest.FUA)) {
                machine.backend().mark(SimBackend.Mark.PROMISED);
            }
        }
        request.context.release(request);
    }

    private void read() {
        long offset = offset();
        long length = length(offset);
        Flight flight = takeOff(offset, length, false);
        if (flight == null) {
            return;
        }
        MemorySegment data = takeMemory();
        vdi.submit(
                BlockOp.READ,
                0,
                offset,
                length,
                data,
                0,
                end -> {
                    flights.remove(flight);
                    expectOk(end);
                    end.context.release(end);
                    checker.checkRead(data, 0, offset, length);
                    memory.push(data);
                });
    }

    private void flush() {
        long mark = model.mark();
        boolean afterSwitch = flushesToMark-- > 0;
        Flight flight = takeOff(-1, 0, false);
        vdi.submit(
                BlockOp.FLUSH,
                0,
                0,
                0,
                null,
                0,
                end -> {
                    flights.remove(flight);
                    expectOk(end);
                    end.context.release(end);
                    model.flushed(mark);
                    machine.backend().mark(SimBackend.Mark.PROMISED);
                    if (afterSwitch) {
                        machine.backend().mark(SimBackend.Mark.PROMISED_AFTER_SWITCH);
                    }
                });
    }

    private static void expectOk(BlockRequest request) {
        if (request.status != IoStatus.OK) {
            throw new SimulationFailure(request + " ended with " + request.status);
        }
    }
}
