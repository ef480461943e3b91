// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * A guest that does everything a guest can do, clustered around a few places, so that blocks are
 * filled in part and their boundaries are hit.
 *
 * <p>Requests that overlap while one of them changes data are not sent: their outcome is nobody's
 * promise.
 */
final class Workload {
    private static final int SECTOR = Patterns.SECTOR;
    private static final int[] MEMORY_OFFSETS = {0, 0, 0, 512, 8, 1};

    private record Flight(long offset, long end, boolean changes) {}

    private final SimHost host;
    private final SimVdi vdi;
    private final ModelDisk model;
    private final Patterns patterns;
    private final Checker checker;
    private final RandomGenerator random;
    private final List<Flight> flights = new ArrayList<>();
    private final long[] places;
    private final int blockBytes;
    private final int depth;
    private final boolean fillsBlocks;
    private int requests;
    private int newBlocks;

    Workload(
            SimHost host,
            SimVdi vdi,
            ModelDisk model,
            Patterns patterns,
            Checker checker,
            RandomGenerator random,
            long[] places,
            int blockBytes) {
        this.host = host;
        this.vdi = vdi;
        this.model = model;
        this.patterns = patterns;
        this.checker = checker;
        this.random = random;
        this.places = places;
        this.blockBytes = blockBytes;
        this.depth = 1 + random.nextInt(12);
        this.fillsBlocks = random.nextInt(4) == 0;
    }

    /** How many requests were sent. */
    int requests() {
        return requests;
    }

    /** Sends some requests. */
    void run(int count) {
        for (int i = 0; i < count; i++) {
            host.runUntil(() -> flights.size() < depth);
            step();
            if (random.nextInt(3) == 0) {
                host.turn();
            }
        }
    }

    private void step() {
        int dice = random.nextInt(100);
        if (newBlocks > 0 && dice < 50) {
            writeToAnyBlock();
        } else if (dice < 48) {
            write(random.nextInt(8) == 0 ? BlockRequest.FUA : 0);
        } else if (dice < 60) {
            read();
        } else if (dice < 70) {
            flush();
        } else if (dice < 78) {
            zero(BlockOp.WRITE_ZEROES, random.nextInt(4));
        } else if (dice < 84) {
            zero(BlockOp.DISCARD, random.nextInt(6) == 0 ? BlockRequest.FUA : 0);
        } else if (dice < 87) {
            writeFooter();
        } else if (dice < 90) {
            host.runFor(random.nextLong(1, 2_000_000_000L));
        } else if (dice < 93) {
            overwriteDurably();
        } else {
            giveUpBlocks();
        }
    }

    // ---- where

    private long length(long offset, long most) {
        int dice = random.nextInt(100);
        long length;
        if (dice < 40) {
            length = SECTOR * random.nextLong(1, 17);
        } else if (dice < 70) {
            length = 4096 * random.nextLong(1, 9);
        } else if (dice < 97 || !fillsBlocks) {
            length = SECTOR * random.nextLong(1, 513);
        } else {
            length = 2 << 20;
        }
        return Math.min(Math.min(length, most), vdi.sizeBytes() - offset);
    }

    private long offset() {
        long place = places[random.nextInt(places.length)];
        long near = random.nextLong(-64, 129) * (random.nextBoolean() ? SECTOR : 4096);
        if (random.nextInt(12) == 0) {
            place = random.nextLong(vdi.sizeBytes() / SECTOR) * SECTOR;
        } else if (random.nextInt(20) == 0) {
            place = vdi.sizeBytes();
        }
        return Math.clamp(place + near, 0, vdi.sizeBytes() - SECTOR);
    }

    private Flight takeOff(long offset, long length, boolean changes) {
        host.runUntil(
                () ->
                        flights.stream()
                                .noneMatch(
                                        other ->
                                                (changes || other.changes)
                                                        && offset < other.end
                                                        && other.offset < offset + length));
        Flight flight = new Flight(offset, offset + length, changes);
        flights.add(flight);
        requests++;
        return flight;
    }

    // ---- what

    private void write(int flags) {
        long offset = offset();
        long length = length(offset, Long.MAX_VALUE);
        write(flags, offset, length, patterns.stamp());
    }

    /** Around the same boundary again and again, which is where a missing flush shows. */
    private void overwriteDurably() {
        long offset = Math.clamp(places[0] - 4 * SECTOR, 0, vdi.sizeBytes() - 8 * SECTOR);
        long from = random.nextLong(4) * SECTOR;
        write(BlockRequest.FUA, offset + from, 8 * SECTOR - from, patterns.stamp());
    }

    /** What looks like the footer of the guest's own image, where one may be looked for. */
    private void writeFooter() {
        long blocks = vdi.sizeBytes() / blockBytes;
        long place = random.nextBoolean() ? places[0] / blockBytes : random.nextLong(blocks);
        long sectors = random.nextLong(1, 5);
        int stamp = patterns.stampFor(host.disk().content().read(0, SECTOR));
        write(0, (place + 1) * blockBytes - sectors * SECTOR, sectors * SECTOR, stamp);
    }

    private void write(int flags, long offset, long length, int stamp) {
        Flight flight = takeOff(offset, length, true);
        int shift = MEMORY_OFFSETS[random.nextInt(MEMORY_OFFSETS.length)];
        MemorySegment memory = host.allocate(length + shift);
        patterns.fill(memory, shift, stamp, offset / SECTOR, (int) (length / SECTOR));
        ModelDisk.Change change = model.begin(offset, length, stamp, false);
        vdi.submit(
                BlockOp.WRITE,
                flags,
                offset,
                length,
                memory,
                shift,
                end -> changed(end, flight, change));
    }

    private void zero(BlockOp op, int flags) {
        long offset = offset();
        long length = length(offset, Long.MAX_VALUE);
        if (random.nextInt(10) == 0) {
            length = Math.min(8 << 20, vdi.sizeBytes() - offset);
        }
        zero(op, flags, offset, length);
    }

    /** Whole blocks, so that their places are free for others. */
    private void giveUpBlocks() {
        long place = places[random.nextInt(places.length)];
        long count = random.nextInt(3) == 0 ? random.nextLong(1, 5) : 1;
        long length = Math.min(count * blockBytes, vdi.sizeBytes() - place);
        BlockOp op = random.nextBoolean() ? BlockOp.DISCARD : BlockOp.WRITE_ZEROES;
        zero(op, random.nextInt(4) == 0 ? BlockRequest.FUA : 0, place, length);
        newBlocks = random.nextInt(8);
    }

    /** Blocks that were not written before take the places of those that were given up. */
    private void writeToAnyBlock() {
        newBlocks--;
        long offset = random.nextLong(vdi.sizeBytes() / blockBytes) * blockBytes;
        write(0, offset, length(offset, blockBytes), patterns.stamp());
    }

    private void zero(BlockOp op, int flags, long offset, long length) {
        Flight flight = takeOff(offset, length, true);
        ModelDisk.Change change = model.begin(offset, length, Patterns.ZERO, op == BlockOp.DISCARD);
        vdi.submit(op, flags, offset, length, null, 0, end -> changed(end, flight, change));
    }

    private void changed(BlockRequest request, Flight flight, ModelDisk.Change change) {
        flights.remove(flight);
        expectOk(request);
        model.complete(change, request.has(BlockRequest.FUA));
        if (request.has(BlockRequest.FUA)) {
            host.backend().mark(SimBackend.Mark.PROMISED);
        }
        request.context.release(request);
    }

    private void read() {
        long offset = offset();
        long length = length(offset, 256 << 10);
        Flight flight = takeOff(offset, length, false);
        int shift = MEMORY_OFFSETS[random.nextInt(MEMORY_OFFSETS.length)];
        MemorySegment memory = host.allocate(length + shift);
        vdi.submit(
                BlockOp.READ,
                0,
                offset,
                length,
                memory,
                shift,
                end -> {
                    flights.remove(flight);
                    expectOk(end);
                    end.context.release(end);
                    checker.checkRead(memory, shift, offset, length);
                });
    }

    private void flush() {
        long mark = model.mark();
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
                    host.backend().mark(SimBackend.Mark.PROMISED);
                });
    }

    private static void expectOk(BlockRequest request) {
        if (request.status != IoStatus.OK) {
            throw new SimulationFailure(request + " ended with " + request.status);
        }
    }
}
