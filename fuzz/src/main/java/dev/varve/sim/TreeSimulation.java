// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.disk.SnapshotMark;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * The life of the disks of a repository on a host that loses its power again and again, while they
 * are snapshotted, cloned, reverted, copied, made larger and destroyed under the work of their
 * guests.
 *
 * <p>Each round switches the host on with what the media kept, lets the store recover, looks at
 * everything and compares all disks with their models. An operation that was not confirmed when the
 * power went off has happened wholly or not at all; what is found says which. The last round ends
 * in order.
 */
public final class TreeSimulation {
    private static final int MOST_DISKS = 8;

    /**
     * What a simulation came to.
     *
     * @param traceHash equal for equal simulations
     * @param store what kind of store it ran on
     */
    public record Outcome(long traceHash, String store, TreeCounts counts) {}

    /** A disk that is there. */
    private static final class Disk {
        final UUID uuid;
        final String label;
        final Optional<UUID> snapshotOf;
        ModelDisk model;

        /** What it may hold instead, for an operation of which is not known whether it happened. */
        ModelDisk otherwise;

        long otherSize;
        boolean crashed;
        SimVdi vdi;
        TreeGuest guest;

        Disk(UUID uuid, String label, Optional<UUID> snapshotOf, ModelDisk model) {
            this.uuid = uuid;
            this.label = label;
            this.snapshotOf = snapshotOf;
            this.model = model;
        }
    }

    /** Branches that were made at one instant. */
    private record Group(List<ModelDisk> branches, List<List<ModelDisk.Change>> changes) {}

    /** What an operation does to the disks that are there. */
    private abstract static class Step {
        /** The disks that are new when it has happened. */
        final List<Disk> made = new ArrayList<>();

        /** The disk that is gone when it has happened. */
        Disk gone;

        abstract void run();

        /** It was confirmed. */
        void confirmed() {}

        /** It was not; perhaps it has happened, perhaps not. */
        void unknown() {}
    }

    private final Seed seed;
    private final TreeSabotage sabotage;
    private final SimClock clock = new SimClock();
    private final Trace trace = new Trace();
    private final Patterns patterns = new Patterns();
    private final ModelTime time = new ModelTime();
    private final RandomGenerator mediumRandom;
    private final RandomGenerator crashRandom;
    private final RandomGenerator guestRandom;
    private final RandomGenerator storyRandom;
    private final RandomSource uuids;
    private final TreeHost.Hardware hardware;
    private final long[] places;
    private final SimStore.Medium medium = new SimStore.Medium();
    private final Map<UUID, Disk> disks = new LinkedHashMap<>();
    private final List<Group> groups = new ArrayList<>();
    private final TreeCounts counts = new TreeCounts();

    private final TreeMerges merges;

    private TreeHost host;
    private Step pending;

    /** An operation failed and may have left something that nobody needs. */
    private boolean leaks;

    /** Images were merged while somebody may have read them. */
    private boolean merged;

    private String doing = "nothing";
    private int names;
    private int round;

    private TreeSimulation(Seed seed, TreeSabotage sabotage) {
        this.seed = seed;
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
        merges = new TreeMerges(seed.stream("merges"), counts);
        places = new long[1 + storyRandom.nextInt(3)];
        for (int i = 0; i < places.length; i++) {
            places[i] = VhdFormat.UNIT_BYTES * storyRandom.nextInt(4);
        }
    }

    /** Runs the simulation of a seed. */
    public static Outcome run(Seed seed) {
        return run(seed, TreeSabotage.NONE);
    }

    /** Runs the simulation of a seed with a defect planted. */
    static Outcome run(Seed seed, TreeSabotage sabotage) {
        return new TreeSimulation(seed, sabotage).run();
    }

    private Outcome run() {
        try {
            int rounds = 2 + storyRandom.nextInt(4);
            for (round = 1; round <= rounds; round++) {
                round(round == rounds);
            }
        } catch (RuntimeException | Error e) {
            throw new SimulationFailure(
                    "trees, seed %d, round %d, %s, %s: %s%nTo run it again: %s"
                            .formatted(
                                    seed.value(),
                                    round,
                                    doing,
                                    hardware,
                                    e.getMessage(),
                                    seed.treeReplayCommand()),
                    e);
        }
        trace.add(41, counts.requests, counts.powerLosses);
        counts.seeds = 1;
        return new Outcome(trace.hash(), hardware.kind().label(), counts);
    }

    // ---- a round

    private void round(boolean last) {
        try (TreeHost on =
                new TreeHost(clock, mediumRandom, uuids, hardware, trace, medium, sabotage)) {
            host = on;
            merges.powerOn(on);
            host.machine().betweenTurns(this::guestsWork);
            try {
                boot(last);
                work(last);
                boolean inOrder = last || storyRandom.nextInt(4) == 0;
                if (inOrder) {
                    shutDown(last);
                }
                powerOff(false);
                if (inOrder) {
                    medium.images().forEach(StructureCheck::checkNode);
                }
            } catch (PowerLoss e) {
                powerOff(true);
                if (last) {
                    throw new SimulationFailure("the power went off in the last round");
                }
            }
        }
    }

    private void guestsWork() {
        for (Disk disk : disks.values()) {
            if (disk.guest != null) {
                disk.guest.step();
            }
        }
    }

    /** Whatever is not in order now is as after a loss of power. */
    private void powerOff(boolean unexpected) {
        counts.powerLosses++;
        counts.lossesInCommit += unexpected && host.store().isCommitting() ? 1 : 0;
        counts.lossesInRecover += unexpected && host.store().isRecovering() ? 1 : 0;
        counts.restarts += host.store().server().restarts();
        host.store().powerOff(crashRandom);
        for (Disk disk : disks.values()) {
            disk.crashed = true;
            count(disk);
            disk.vdi = null;
        }
        if (pending != null) {
            pending.unknown();
        }
    }

    private void count(Disk disk) {
        if (disk.guest != null) {
            counts.requests += disk.guest.requests();
            disk.guest = null;
        }
    }

    private void boot(boolean last) {
        doing = "recover";
        if (!last && storyRandom.nextInt(3) == 0) {
            host.machine().backend().losePowerAfter(1 + crashRandom.nextInt(12));
        }
        host.shown().recover();
        host.disks().recover(host.machine().operation());
        doing = "the first look";
        List<VdiInfo> found = host.disks().scan(host.machine().operation());
        if (host.store().ids().stream().anyMatch(id -> !id.kind().isDisk())) {
            throw new SimulationFailure(
                    "after recover there is what was being made: " + host.store().ids());
        }
        learn();
        checkScan(found);
        for (Disk disk : List.copyOf(disks.values())) {
            verify(disk, last);
        }
        checkGroups();
        host.machine().backend().keepPower();
    }

    private void work(boolean last) {
        if (!last) {
            choosePowerLoss();
        }
        while (disks.size() < 2) {
            create();
        }
        for (int steps = 3 + storyRandom.nextInt(8); steps > 0; steps--) {
            step();
            doing = "the work of guests";
            host.machine().runFor(storyRandom.nextLong(1, 20_000_000));
        }
    }

    private void choosePowerLoss() {
        SimBackend backend = host.machine().backend();
        int count = 1 + crashRandom.nextInt(20);
        int later = crashRandom.nextInt(3) == 0 ? 0 : crashRandom.nextInt(80);
        switch (storyRandom.nextInt(14)) {
            case 0 -> {}
            case 10, 11, 12, 13 ->
                    backend.losePowerAt(SimBackend.Mark.MERGE_STEP, (count + 1) / 2, later);
            case 1, 2 -> backend.losePowerAfter(1 + crashRandom.nextInt(2500));
            case 3 -> backend.losePowerAt(SimBackend.Mark.FLUSHED, 3 * count, later);
            case 4 -> backend.losePowerAt(SimBackend.Mark.PROMISED, 2 * count, 0);
            case 5, 6 ->
                    backend.losePowerAt(SimBackend.Mark.PROMISED_AFTER_SWITCH, (count + 2) / 3, 0);
            default -> backend.losePowerAt(SimBackend.Mark.COMMITTED, count, later);
        }
    }

    private void shutDown(boolean last) {
        doing = "the end of all merges";
        merges.endAll();
        for (Disk disk : disks.values()) {
            if (disk.vdi == null) {
                toggle(disk); // whatever a crash has left is put in order
            }
            detach(disk);
        }
        doing = "the last look";
        host.machine().runFor(3_000_000_000L);
        List<VdiInfo> found = host.disks().scan(host.machine().operation());
        checkScan(found);
        for (VdiInfo info : found) {
            if (!info.state().equals(new VdiState.Valid())) {
                throw new SimulationFailure("after an orderly end there is " + info);
            }
        }
        if (host.engine().metadata().usedBytes() != 0) {
            throw new SimulationFailure(
                    "with no disk attached there is metadata in memory: "
                            + host.engine().metadata().usedBytes());
        }
        if (last) {
            checkEnd();
        }
    }

    /** What all disks hold is still right, and when they are gone nothing is left. */
    private void checkEnd() {
        collect();
        for (Disk disk : List.copyOf(disks.values())) {
            verify(disk, true);
        }
        checkGroups();
        for (Disk disk : List.copyOf(disks.values())) {
            destroy(disk);
        }
        host.disks().removeGarbage(host.machine().operation());
        if (!leaks && medium.count() > 0) {
            throw new SimulationFailure("when all disks are gone there is " + host.store().ids());
        }
    }

    /** With nobody at work all chains become as short as they can be. */
    private void collect() {
        doing = "the last merges";
        for (Disk disk : disks.values()) {
            detach(disk);
        }
        merges.collect();
        List<VdiInfo> found = host.disks().scan(host.machine().operation());
        checkScan(found);
        TreeMerges.checkCollected(found);
        merged = false;
    }

    // ---- what is there

    /** Takes over what an operation that nobody was told of has done, or has not. */
    private void learn() {
        if (pending == null) {
            return;
        }
        Step step = pending;
        long made = step.made.stream().filter(this::isThere).count();
        if (made != 0 && made != step.made.size()) {
            throw new SimulationFailure("of several snapshots " + made + " are there");
        }
        if (made != 0) {
            step.made.forEach(disk -> disks.put(disk.uuid, disk));
        }
        if (step.gone != null && !isThere(step.gone)) {
            disks.remove(step.gone.uuid);
        }
        pending = null;
    }

    private boolean isThere(Disk disk) {
        return host.store().isThere(new VolumeId(VolumeKind.VHD, disk.uuid));
    }

    private void checkScan(List<VdiInfo> found) {
        counts.treesChecked++;
        Map<UUID, VdiInfo> all = new LinkedHashMap<>();
        found.forEach(info -> all.put(info.uuid(), info));
        Set<UUID> parents = new HashSet<>();
        for (VdiInfo info : found) {
            if (info.state() instanceof VdiState.Quarantined) {
                throw new SimulationFailure("an image cannot be used: " + info);
            }
            if (info.parent().isPresent()) {
                VdiInfo parent = all.get(info.parent().get());
                parents.add(info.parent().get());
                if (parent == null || parent.managed()) {
                    throw new SimulationFailure(info + " rests on " + parent);
                }
            }
            checkDisk(info, disks.get(info.uuid()));
        }
        for (Disk disk : disks.values()) {
            if (!all.containsKey(disk.uuid)) {
                throw new SimulationFailure("disk " + disk.uuid + " is gone");
            }
        }
        for (VdiInfo info : found) {
            if (!leaks && !merged && !info.managed() && !parents.contains(info.uuid())) {
                throw new SimulationFailure("nothing rests on the inner node " + info);
            }
        }
    }

    private static void checkDisk(VdiInfo info, Disk disk) {
        if (info.managed() != (disk != null)) {
            throw new SimulationFailure("nobody made the disk, or it is hidden: " + info);
        }
        if (disk == null) {
            return;
        }
        boolean size =
                info.virtualSizeBytes() == disk.model.sizeBytes()
                        || info.virtualSizeBytes() == disk.otherSize
                        || (disk.otherwise != null
                                && info.virtualSizeBytes() == disk.otherwise.sizeBytes());
        if (!size
                || !info.label().equals(disk.label)
                || !info.snapshot().flatMap(SnapshotMark::of).equals(disk.snapshotOf)) {
            throw new SimulationFailure(
                    "expected is %s of %d bytes, snapshot of %s, there is %s"
                            .formatted(disk.label, disk.model.sizeBytes(), disk.snapshotOf, info));
        }
    }

    // ---- content

    /** Compares a disk that nobody uses with its model. */
    private void verify(Disk disk, boolean bluntly) {
        if (disk.vdi != null) {
            return;
        }
        doing = "a look at the content of " + disk.label + " " + disk.uuid;
        // Behind a server, what is read of an image that is not in order stays only when it is put
        // in order.
        boolean mayChange = disk.crashed && hardware.kind().isRemote();
        boolean writable = storyRandom.nextInt(5) < 3 || mayChange;
        SimVdi vdi = open(disk, writable);
        if (disk.otherwise != null) {
            verifyEither(disk, vdi, bluntly);
        } else {
            if (vdi.sizeBytes() == disk.otherSize) {
                disk.model.resize(disk.otherSize);
            }
            verify(disk.model, vdi, disk, bluntly);
        }
        disk.otherSize = 0;
        disk.crashed = false;
        if (writable && storyRandom.nextInt(5) > 0) {
            attach(disk, vdi);
        } else {
            vdi.close();
        }
    }

    private SimVdi open(Disk disk, boolean writable) {
        return new SimVdi(
                host.machine(),
                host.disks().activate(disk.uuid, writable, host.machine().operation()));
    }

    private void verify(ModelDisk model, SimVdi vdi, Disk disk, boolean bluntly) {
        boolean blunt = bluntly || storyRandom.nextInt(4) == 0;
        new Checker(patterns, model).checkAll(vdi, disk.crashed, blunt);
        counts.disksCompared++;
        counts.sectorsCompared += model.sizeBytes() / Patterns.SECTOR;
    }

    private void verifyEither(Disk disk, SimVdi vdi, boolean bluntly) {
        try {
            verify(disk.model, vdi, disk, bluntly);
        } catch (SimulationFailure first) {
            try {
                verify(disk.otherwise, vdi, disk, bluntly);
                disk.model = disk.otherwise;
            } catch (SimulationFailure second) {
                first.addSuppressed(second);
                throw first;
            }
        }
        disk.otherwise = null;
    }

    /** Branches of several disks were made at one instant. */
    private void checkGroups() {
        for (Group group : groups) {
            for (int i = 0; i < group.branches().size(); i++) {
                for (int j = 0; j < i; j++) {
                    checkPair(group, i, j);
                }
            }
        }
        groups.clear();
    }

    private static void checkPair(Group group, int first, int second) {
        BitSet firsts = group.branches().get(first).instants();
        BitSet seconds = group.branches().get(second).instants();
        if (!ModelDisk.canBeOfOneInstant(
                group.changes().get(first), firsts, group.changes().get(second), seconds)) {
            throw new SimulationFailure(
                    "snapshots %d and %d are not of one instant: %s, %s"
                            .formatted(first, second, firsts, seconds));
        }
    }

    // ---- operations

    private void step() {
        switch (storyRandom.nextInt(36)) {
            case 31, 32, 33, 34, 35 -> lengthen(any());
            case 22, 23, 24, 25 -> beginMerge();
            case 26, 27, 28 -> finishMerge();
            case 29 -> cancelMerge();
            case 30 -> removeGarbage();
            case 0, 1, 2, 3, 4 -> snapshot();
            case 5, 6 -> cloneOne(any());
            case 7, 8, 9 -> revert();
            case 10 -> copy(any());
            case 11 -> resize(any());
            case 12 -> {
                doing = "a look at everything";
                checkScan(host.disks().scan(host.machine().operation()));
            }
            case 13, 14 -> toggle(any());
            case 15 -> look(any());
            case 16 -> fill();
            case 17, 18, 19 -> destroy(any());
            default -> toggle(any());
        }
        while (disks.size() > MOST_DISKS) {
            destroy(any());
        }
        while (disks.size() < 2) {
            create();
        }
    }

    private Disk any() {
        List<Disk> all = List.copyOf(disks.values());
        return all.get(storyRandom.nextInt(all.size()));
    }

    private void attempt(String what, Step step) {
        doing = what;
        SimStore store = host.store();
        boolean withTrouble = storyRandom.nextInt(6) == 0;
        if (withTrouble) {
            if (storyRandom.nextInt(4) == 0) {
                store.full(true);
            } else {
                SimStore.Trouble how =
                        storyRandom.nextInt(3) == 0
                                ? SimStore.Trouble.BEFORE
                                : SimStore.Trouble.AFTER;
                store.fail(how, storyRandom.nextInt(4));
            }
        }
        pending = step;
        try {
            step.run();
            pending = null;
            step.confirmed();
            step.made.forEach(disk -> disks.put(disk.uuid, disk));
            if (step.gone != null) {
                disks.remove(step.gone.uuid);
            }
        } catch (StorageException e) {
            if (!withTrouble) {
                throw e;
            }
            store.keepWell();
            step.unknown();
            afterFailure(what);
        }
        leaks |= withTrouble;
        store.keepWell();
    }

    /** A failed operation has left everything as it was, or has happened nevertheless. */
    private void afterFailure(String what) {
        counts.failures++;
        doing = "a look after a failure of " + what;
        List<Disk> made = pending.made;
        learn();
        host.shown().commit(List.of());
        if (storyRandom.nextBoolean()) {
            checkScan(host.disks().scan(host.machine().operation()));
        }
        for (Disk disk : List.copyOf(disks.values())) {
            if (made.contains(disk) || disk.otherwise != null || disk.otherSize != 0) {
                verify(disk, false);
            }
        }
    }

    private void create() {
        UUID uuid = uuids.uuid();
        long size = VhdFormat.UNIT_BYTES * (1 + storyRandom.nextInt(4));
        Disk disk = new Disk(uuid, "disk " + ++names, Optional.empty(), new ModelDisk(size, time));
        VdiSpec spec = new VdiSpec(uuid, VolumeKind.VHD, size, disk.label, "", false);
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().create(spec, host.machine().operation());
                    }
                };
        step.made.add(disk);
        attempt("create " + uuid, step);
    }

    private Disks service() {
        return host.disks();
    }

    /** A branch whose content is not known yet cannot be branched: so its content is looked at. */
    private void makeSure(Disk disk) {
        if (disk.model.isOpen()) {
            verify(disk, false);
        }
    }

    private void snapshot() {
        List<Disk> sources = new ArrayList<>();
        for (int count = 1 + storyRandom.nextInt(3); count > 0; count--) {
            Disk source = any();
            if (!sources.contains(source)) {
                sources.add(source);
            }
        }
        snapshot(sources);
    }

    /** Gives the first one. */
    private Optional<Disk> snapshot(List<Disk> sources) {
        sources.forEach(this::makeSure);
        List<SnapshotSpec> specs = new ArrayList<>();
        List<Disk> made = new ArrayList<>();
        for (Disk source : sources) {
            UUID uuid = uuids.uuid();
            specs.add(new SnapshotSpec(source.uuid, uuid));
            made.add(new Disk(uuid, source.label, Optional.of(source.uuid), source.model.branch()));
        }
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().snapshot(specs, host.machine().operation());
                    }

                    @Override
                    void confirmed() {
                        endBranches(sources, made, true);
                        counts.snapshots += made.size();
                    }

                    @Override
                    void unknown() {
                        endBranches(sources, made, false);
                    }
                };
        step.made.addAll(made);
        attempt("snapshot " + specs, step);
        return made.stream().findFirst();
    }

    private void endBranches(List<Disk> sources, List<Disk> made, boolean confirmed) {
        List<ModelDisk> branches = new ArrayList<>();
        List<List<ModelDisk.Change>> changes = new ArrayList<>();
        for (int i = 0; i < made.size(); i++) {
            Disk disk = made.get(i);
            sources.get(i).model.endBranch(disk.model, confirmed);
            disk.crashed = !confirmed;
            branches.add(disk.model);
            changes.add(disk.model.changes());
        }
        if (confirmed && made.size() > 1) {
            groups.add(new Group(branches, changes));
        }
    }

    private void cloneOne(Disk source) {
        makeSure(source);
        UUID uuid = uuids.uuid();
        Disk clone = new Disk(uuid, source.label, Optional.empty(), source.model.branch());
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().clone(source.uuid, uuid, host.machine().operation());
                    }

                    @Override
                    void confirmed() {
                        endBranches(List.of(source), List.of(clone), true);
                        counts.clones++;
                    }

                    @Override
                    void unknown() {
                        endBranches(List.of(source), List.of(clone), false);
                    }
                };
        step.made.add(clone);
        attempt("clone " + source.uuid, step);
    }

    private void revert() {
        List<Disk> possible =
                disks.values().stream()
                        .filter(disk -> disk.snapshotOf.filter(disks::containsKey).isPresent())
                        .toList();
        if (possible.isEmpty()) {
            snapshot();
            return;
        }
        Disk snapshot = possible.get(storyRandom.nextInt(possible.size()));
        Disk disk = disks.get(snapshot.snapshotOf.get());
        makeSure(snapshot);
        makeSure(disk);
        detach(disk);
        ModelDisk reverted = snapshot.model.branch();
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().revert(disk.uuid, snapshot.uuid, host.machine().operation());
                    }

                    @Override
                    void confirmed() {
                        snapshot.model.endBranch(reverted, true);
                        disk.model = reverted;
                        counts.reverts++;
                    }

                    @Override
                    void unknown() {
                        snapshot.model.endBranch(reverted, false);
                        disk.otherwise = reverted;
                    }
                };
        attempt("revert " + disk.uuid + " to " + snapshot.uuid, step);
    }

    private void copy(Disk source) {
        makeSure(source);
        detach(source);
        UUID uuid = uuids.uuid();
        ModelDisk model = source.model.branch();
        Disk copy = new Disk(uuid, "disk " + ++names, Optional.empty(), model);
        VdiSpec spec = new VdiSpec(uuid, VolumeKind.VHD, model.sizeBytes(), copy.label, "", false);
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().copy(source.uuid, service(), spec, host.machine().operation());
                    }

                    @Override
                    void confirmed() {
                        endBranches(List.of(source), List.of(copy), true);
                        counts.copies++;
                    }

                    @Override
                    void unknown() {
                        endBranches(List.of(source), List.of(copy), false);
                    }
                };
        step.made.add(copy);
        attempt("copy " + source.uuid, step);
    }

    /** A snapshot has room for its own size only. */
    private void resize(Disk disk) {
        long size = disk.model.sizeBytes() + VhdFormat.UNIT_BYTES * (1 + storyRandom.nextInt(2));
        if (disk.snapshotOf.isPresent() || size > TreeHost.MOST_BYTES) {
            return;
        }
        makeSure(disk);
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().resize(disk.uuid, size, host.machine().operation());
                    }

                    @Override
                    void confirmed() {
                        disk.model.resize(size);
                    }

                    @Override
                    void unknown() {
                        disk.otherSize = size;
                    }
                };
        attempt("resize " + disk.uuid, step);
    }

    private void destroy(Disk disk) {
        detach(disk);
        Step step =
                new Step() {
                    @Override
                    void run() {
                        service().destroy(disk.uuid, host.machine().operation());
                    }
                };
        step.gone = disk;
        attempt("destroy " + disk.uuid, step);
    }

    // ---- merges

    /** An operation that changes nothing that disks show. */
    private void attemptQuietly(String what, Runnable work) {
        merged = true;
        attempt(
                what,
                new Step() {
                    @Override
                    void run() {
                        work.run();
                    }
                });
    }

    /** Makes the chain of a disk longer, and mostly has it made shorter again. */
    private void lengthen(Disk disk) {
        for (int nodes = 1 + storyRandom.nextInt(3); nodes > 0; nodes--) {
            Optional<Disk> snapshot = snapshot(List.of(disk));
            host.machine().runFor(storyRandom.nextLong(1, 5_000_000));
            snapshot.filter(made -> disks.containsKey(made.uuid)).ifPresent(this::destroy);
        }
        for (int merging = storyRandom.nextInt(3); merging > 0; merging--) {
            beginMerge();
        }
    }

    private void beginMerge() {
        attemptQuietly("the beginning of a merge", merges::begin);
    }

    private void finishMerge() {
        if (merges.isAny()) {
            attemptQuietly("the end of a merge", merges::finish);
        } else {
            beginMerge();
        }
    }

    private void cancelMerge() {
        if (merges.isAny()) {
            attemptQuietly("giving up a merge", merges::cancel);
        }
    }

    private void removeGarbage() {
        attemptQuietly(
                "removing garbage", () -> host.disks().removeGarbage(host.machine().operation()));
    }

    private void toggle(Disk disk) {
        if (disk.vdi != null) {
            detach(disk);
            return;
        }
        makeSure(disk);
        if (disk.vdi == null) {
            doing = "attach " + disk.uuid;
            attach(disk, open(disk, true));
        }
    }

    private void attach(Disk disk, SimVdi vdi) {
        disk.vdi = vdi;
        disk.guest =
                new TreeGuest(
                        host.machine(),
                        host.store(),
                        vdi,
                        disk.model,
                        patterns,
                        guestRandom,
                        places);
    }

    private void detach(Disk disk) {
        if (disk.vdi == null) {
            return;
        }
        doing = "detach " + disk.uuid;
        disk.guest.stop();
        disk.vdi.close();
        disk.model.flushed(disk.model.mark());
        count(disk);
        disk.vdi = null;
    }

    private void look(Disk disk) {
        detach(disk);
        verify(disk, false);
    }

    /** Has the store be full for a while. */
    private void fill() {
        doing = "a while with a full store";
        host.store().full(true);
        host.machine().runFor(storyRandom.nextLong(1, 20_000_000));
        host.store().full(false);
    }
}
