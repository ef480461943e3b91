// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.cbt.ChangeLogHeader;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.RandomSource;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * The life of one disk whose changed blocks are tracked: a guest changes it while snapshots are
 * taken and removed, while images are merged, while it is reverted and made larger, and the power
 * goes off at any moment.
 *
 * <p>After each loss of power every snapshot and the disk are read whole. What is claimed: a block
 * by which two of them differ is told as changed, whenever they can be compared; and the disk can
 * be compared with each snapshot on its line that was confirmed. What is not claimed here: that
 * nothing else is told.
 */
final class TrackingSimulation {
    private static final int BLOCK = ChangedBlocks.BLOCK_BYTES;
    private static final int PIECE = 1 << 20;
    private static final long UNIT = 2 << 20;
    private static final int SECTOR = 512;
    private static final UUID DISK = new UUID(0x5EED, 0xCB7);

    /** What happened, for people. */
    static final class Counts {
        int requests;
        int powerLosses;
        int comparisons;
        int told;
        int differing;
        int blocks;
        int failures;
        int merges;

        void add(Counts other) {
            requests += other.requests;
            powerLosses += other.powerLosses;
            comparisons += other.comparisons;
            told += other.told;
            differing += other.differing;
            blocks += other.blocks;
            failures += other.failures;
            merges += other.merges;
        }

        @Override
        public String toString() {
            return ("%d requests, %d losses of power, %d merges, %d operations that the store made"
                            + " fail, %d comparisons: of %d blocks %d differed and %d were told")
                    .formatted(
                            requests,
                            powerLosses,
                            merges,
                            failures,
                            comparisons,
                            blocks,
                            differing,
                            told);
        }
    }

    private record Flight(long offset, long end) {}

    private final TreeSabotage sabotage;
    private final boolean merges;
    private final SimClock clock = new SimClock();
    private final Trace trace = new Trace();
    private final RandomGenerator mediumRandom;
    private final RandomGenerator crashRandom;
    private final RandomGenerator guestRandom;
    private final RandomGenerator storyRandom;
    private final RandomSource uuids;
    private final TreeHost.Hardware hardware;
    private final SimStore.Medium medium = new SimStore.Medium();
    private final Counts counts = new Counts();

    /** What snapshots hold, which never changes. */
    private final Map<UUID, byte[]> contents = new HashMap<>();

    /** Confirmed snapshots with which the disk can be compared. */
    private final Set<UUID> line = new HashSet<>();

    private final Set<UUID> snapshots = new HashSet<>();

    /** What the disk held when tracking began, as long as its log is about all since then. */
    private byte[] beginning;

    private TreeHost host;
    private ActiveVdi active;
    private final List<Flight> flights = new ArrayList<>();
    private final ArrayDeque<MemorySegment> memory = new ArrayDeque<>();
    private long stamp;

    private TrackingSimulation(Seed seed, TreeSabotage sabotage, boolean merges) {
        this.merges = merges;
        this.sabotage = sabotage;
        mediumRandom = seed.stream("medium");
        crashRandom = seed.stream("crash");
        guestRandom = seed.stream("guest");
        storyRandom = seed.stream("story");
        uuids = RandomSource.of(new Random(storyRandom.nextLong()));
        StoreKind kind = StoreKind.choose(storyRandom);
        hardware =
                new TreeHost.Hardware(
                        kind,
                        kind.plan(storyRandom),
                        1 + storyRandom.nextInt(2),
                        storyRandom.nextBoolean(),
                        storyRandom.nextInt(3) == 0 ? 1 : 1 << 20);
    }

    /**
     * @param merges whether images are merged, too
     */
    static Counts run(Seed seed, TreeSabotage sabotage, boolean merges) {
        TrackingSimulation simulation = new TrackingSimulation(seed, sabotage, merges);
        try {
            simulation.run();
        } catch (RuntimeException | Error e) {
            throw new SimulationFailure(
                    "%s%nrepeat with: ./varve test --test TrackingSimulationTest --sim-seed %d"
                            .formatted(e.getMessage(), seed.value()),
                    e);
        }
        return simulation.counts;
    }

    private void run() {
        powerOn();
        host.disks()
                .create(
                        new VdiSpec(DISK, VolumeKind.VHD, 2 * UNIT, "disk", "", false),
                        operation());
        host.disks().trackChanges(DISK, true, operation());
        int rounds = 2 + storyRandom.nextInt(4);
        for (int i = 0; i < rounds; i++) {
            try {
                host.machine().backend().losePowerAfter(1 + crashRandom.nextInt(4000));
                story();
                host.machine().backend().keepPower();
            } catch (PowerLoss e) {
                counts.powerLosses++;
            }
            powerOff();
            powerOn();
            verify();
        }
    }

    private Operation operation() {
        return host.machine().operation();
    }

    private void powerOn() {
        host = new TreeHost(clock, mediumRandom, uuids, hardware, trace, medium, sabotage);
        host.store().recover();
        host.disks().recover(operation());
        host.disks().scan(operation());
    }

    private void powerOff() {
        active = null;
        flights.clear();
        memory.clear();
        host.store().powerOff(crashRandom);
        host.close();
    }

    // ---- the story

    private void story() {
        for (int i = 0; i < 12; i++) {
            if (active == null && storyRandom.nextInt(3) > 0) {
                attach();
            }
            tryToAct();
            host.machine().runFor(storyRandom.nextLong(20_000_000));
        }
    }

    /** Now and then a commit of the store fails, before or after it has happened. */
    private void tryToAct() {
        boolean troubled = storyRandom.nextInt(5) == 0;
        if (troubled) {
            SimStore.Trouble how =
                    storyRandom.nextBoolean() ? SimStore.Trouble.BEFORE : SimStore.Trouble.AFTER;
            host.store().fail(how, storyRandom.nextInt(4));
        }
        try {
            act(storyRandom.nextInt(merges ? 20 : 16));
        } catch (StorageException e) {
            if (!troubled) {
                throw e;
            }
            counts.failures++;
        }
        host.store().keepWell();
    }

    private void act(int dice) {
        switch (dice) {
            case 0, 1, 2, 3, 4 -> snapshot();
            case 5, 6 -> detach();
            case 7, 8 -> remove(false);
            case 9, 10 -> remove(true);
            case 11, 12 -> revert();
            case 13 -> grow();
            case 16, 17, 18, 19 -> merge();
            default -> switchOffAndOn(storyRandom.nextInt(3) > 0);
        }
    }

    private void attach() {
        active = host.disks().activate(DISK, true, operation());
        host.machine().betweenTurns(this::step);
    }

    private void detach() {
        if (active != null) {
            ActiveVdi closing = active;
            active = null;
            host.machine().runUntil(flights::isEmpty);
            closing.close(operation());
        }
    }

    private void snapshot() {
        UUID snapshot = uuids.uuid();
        beginning = null;
        host.disks().snapshot(List.of(new SnapshotSpec(DISK, snapshot)), operation());
        snapshots.add(snapshot);
        if (host.disks().find(snapshot).orElseThrow().cbtEnabled()) {
            line.add(snapshot);
        }
    }

    private UUID any() {
        List<UUID> all = new ArrayList<>(snapshots);
        all.sort(null);
        return all.get(storyRandom.nextInt(all.size()));
    }

    private void remove(boolean onlyData) {
        if (snapshots.isEmpty()) {
            return;
        }
        UUID snapshot = any();
        VdiInfo info = host.disks().find(snapshot).orElse(null);
        boolean hasData = info != null && info.kind() == VolumeKind.VHD;
        if (onlyData && hasData && info.cbtEnabled()) {
            read(snapshot);
            host.disks().destroyData(snapshot, operation());
        } else if (info != null) {
            snapshots.remove(snapshot);
            line.remove(snapshot);
            host.disks().destroy(snapshot, operation());
        }
    }

    private void revert() {
        if (snapshots.isEmpty()) {
            return;
        }
        UUID snapshot = any();
        VdiInfo info = host.disks().find(snapshot).orElse(null);
        if (info == null || info.kind() != VolumeKind.VHD) {
            return;
        }
        detach();
        line.clear();
        beginning = null;
        host.disks().revert(DISK, snapshot, operation());
        if (info.cbtEnabled() && host.disks().find(DISK).orElseThrow().cbtEnabled()) {
            line.add(snapshot);
        }
    }

    /**
     * What is merged changes nothing that is seen. An image that was the leaf a moment ago may
     * still be open, and then it is left alone.
     */
    private void merge() {
        List<Merge> possible = host.disks().merges(operation());
        if (!possible.isEmpty()) {
            Merge chosen = possible.get(storyRandom.nextInt(possible.size()));
            try {
                host.disks().merge(chosen, operation()).finish(operation());
                counts.merges++;
            } catch (StorageException e) {
                if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                    throw e;
                }
            }
        }
        host.disks().removeGarbage(operation());
    }

    private void grow() {
        long size = host.disks().find(DISK).orElseThrow().virtualSizeBytes();
        if (size < TreeHost.MOST_BYTES / 2) {
            host.disks().resize(DISK, size + UNIT, operation());
        }
    }

    private void switchOffAndOn(boolean off) {
        if (!off) {
            host.disks().trackChanges(DISK, true, operation());
            return;
        }
        line.clear();
        beginning = null;
        host.disks().trackChanges(DISK, false, operation());
        host.machine().runFor(storyRandom.nextLong(20_000_000));
        if (storyRandom.nextInt(3) == 0) {
            host.disks().trackChanges(DISK, true, operation());
            return;
        }
        detach();
        byte[] held = content(DISK);
        host.disks().trackChanges(DISK, true, operation());
        beginning = held;
        attach();
        host.machine().runFor(storyRandom.nextLong(100_000_000));
    }

    // ---- the guest

    private void step() {
        if (active == null || flights.size() >= 6 || guestRandom.nextInt(3) > 0) {
            return;
        }
        int dice = guestRandom.nextInt(20);
        if (dice < 3) {
            send(BlockOp.FLUSH, 0, 0, 0);
            return;
        }
        long size = active.device().geometry().sizeBytes();
        long block = guestRandom.nextLong(size / BLOCK);
        long near = guestRandom.nextInt(4) == 0 ? block : block % 8;
        long offset = near * BLOCK + guestRandom.nextLong(BLOCK / SECTOR) * SECTOR;
        long longest = guestRandom.nextInt(8) == 0 ? 4L * BLOCK : 4096;
        long length = SECTOR * (1 + guestRandom.nextLong(longest / SECTOR));
        length = Math.min(length, size - offset);
        BlockOp op = dice < 16 ? BlockOp.WRITE : dice < 18 ? BlockOp.WRITE_ZEROES : BlockOp.DISCARD;
        send(op, guestRandom.nextInt(6) == 0 ? BlockRequest.FUA : 0, offset, length);
    }

    private void send(BlockOp op, int flags, long offset, long length) {
        for (Flight other : flights) {
            if (offset < other.end() && other.offset() < offset + length) {
                return;
            }
        }
        Flight flight = new Flight(offset, op == BlockOp.FLUSH ? offset : offset + length);
        flights.add(flight);
        counts.requests++;
        BlockRequest request = active.lane().acquire().set(op, flags, offset, length);
        if (op == BlockOp.WRITE) {
            request.data(fill(length), 0);
        }
        request.push(end -> ended(end, flight));
        active.device().submit(request);
    }

    /** Numbers that come only once. */
    private MemorySegment fill(long length) {
        MemorySegment data = memory.isEmpty() ? host.machine().allocate(4L * BLOCK) : memory.pop();
        for (long at = 0; at < length; at += SECTOR) {
            data.set(ValueLayout.JAVA_LONG, at, ++stamp);
        }
        return data;
    }

    private void ended(BlockRequest request, Flight flight) {
        flights.remove(flight);
        if (request.status != IoStatus.OK) {
            throw new SimulationFailure(request + " ended with " + request.status);
        }
        if (request.buffer != null) {
            memory.push(request.buffer);
        }
        request.context.release(request);
    }

    // ---- what is claimed

    private void verify() {
        VdiInfo disk = host.disks().find(DISK).orElseThrow();
        byte[] now = content(DISK);
        if (disk.cbtEnabled()) {
            List<UUID> comparable = host.disks().comparable(DISK, operation());
            for (UUID expected : line) {
                if (!comparable.contains(expected) && host.disks().find(expected).isPresent()) {
                    throw new SimulationFailure(
                            "the disk can no longer be compared with snapshot " + expected);
                }
            }
            compare(DISK, now, comparable);
            if (beginning != null) {
                compare("its beginning", "the disk", beginning, now, log());
            }
        } else {
            line.clear();
        }
        for (VdiInfo info : host.disks().scan(operation())) {
            boolean snapshot = info.managed() && !info.uuid().equals(DISK);
            if (snapshot) {
                snapshots.add(info.uuid());
            }
            if (snapshot && info.cbtEnabled()) {
                compare(
                        info.uuid(),
                        read(info.uuid()),
                        host.disks().comparable(info.uuid(), operation()));
            }
        }
    }

    private void compare(UUID to, byte[] later, List<UUID> comparable) {
        for (UUID from : comparable) {
            byte[] earlier = read(from);
            if (later == null || earlier == null) {
                continue; // its data was removed before it was ever read
            }
            compare(from, to, earlier, later);
        }
    }

    private void compare(UUID from, UUID to, byte[] earlier, byte[] later) {
        ChangedBlocks changed = host.disks().changedBlocks(from, to, operation());
        compare(from.toString(), to.toString(), earlier, later, changed);
    }

    /** What the disk's own log says, as it is on the medium. */
    private ChangedBlocks log() {
        VolumeId id = new VolumeId(VolumeKind.CBT_LOG, DISK);
        try (OpenVolume volume = host.engine().open(host.store().open(id, false), false)) {
            byte[] page = volume.access(operation()).read(0, 4096);
            ChangedBlocks changed = new ChangedBlocks(ChangeLogHeader.parse(page).sizeBytes());
            for (int block = 0; block < changed.sizeBytes() / BLOCK; block++) {
                boolean told = (page[ChangeLogHeader.BYTES + block / 8] >>> block % 8 & 1) != 0;
                changed.add((long) block * BLOCK, told ? 1 : 0);
            }
            return changed;
        }
    }

    private void compare(
            String from, String to, byte[] earlier, byte[] later, ChangedBlocks changed) {
        counts.comparisons++;
        counts.told += (int) changed.count();
        counts.blocks += later.length / BLOCK;
        for (int at = 0; at < later.length; at += BLOCK) {
            boolean differs =
                    at >= earlier.length
                            || !Arrays.equals(earlier, at, at + BLOCK, later, at, at + BLOCK);
            counts.differing += differs ? 1 : 0;
            boolean isNew = at >= changed.sizeBytes();
            if (differs && !isNew && !changed.contains(at / BLOCK)) {
                throw new SimulationFailure(
                        "block %d of %s differs from %s and is not told as changed"
                                .formatted(at / BLOCK, to, from));
            }
        }
    }

    /** What a snapshot holds, or null when nobody knows it any more. */
    private byte[] read(UUID snapshot) {
        byte[] known = contents.get(snapshot);
        VdiInfo info = host.disks().find(snapshot).orElse(null);
        if (known == null && info != null && info.kind() == VolumeKind.VHD) {
            known = content(snapshot);
            contents.put(snapshot, known);
        }
        return known;
    }

    private byte[] content(UUID vdi) {
        ActiveVdi open = host.disks().activate(vdi, false, operation());
        SimVdi view = new SimVdi(host.machine(), open);
        byte[] all = new byte[(int) view.sizeBytes()];
        for (int at = 0; at < all.length; at += PIECE) {
            MemorySegment piece = view.read(at, PIECE);
            MemorySegment.copy(piece, ValueLayout.JAVA_BYTE, 0, all, at, PIECE);
        }
        open.close(operation());
        return all;
    }
}
