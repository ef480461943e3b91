// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.vhd.VhdFooter;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdHeader;

import java.util.random.RandomGenerator;

/**
 * The life of one disk on a host that loses its power again and again.
 *
 * <p>Each round switches the host on with what the medium kept, opens the image, compares the whole
 * disk with the model, and lets a guest work. The round ends with the power going off at any event
 * — while the image is repaired, while the guest works, while the disk grows, while it is closed —
 * or with an orderly close. The last round always ends in order.
 */
public final class Simulation {
    /**
     * What happened.
     *
     * @param traceHash equal for equal simulations
     * @param requests how many requests the guest sent
     * @param powerLosses how often the power went off
     */
    public record Outcome(long traceHash, int requests, int powerLosses) {}

    private enum Phase {
        CREATE,
        OPEN,
        RUN,
        RESIZE,
        CLOSE
    }

    private final Seed seed;
    private final Sabotage sabotage;
    private final SimClock clock = new SimClock();
    private final Trace trace = new Trace();
    private final VhdFormat format = new VhdFormat(clock);
    private final Patterns patterns = new Patterns();
    private final FaultPlan plan;
    private final RandomGenerator mediumRandom;
    private final RandomGenerator crashRandom;
    private final RandomGenerator guestRandom;
    private final RandomGenerator storyRandom;
    private final ImageKind kind;
    private final ModelDisk model;
    private final Checker checker;
    private final long[] places;

    private SimContent content;
    private long wantedSize;
    private boolean mustBeClean;
    private boolean crashed;
    private int powerLosses;
    private int requests;
    private int round;
    private Phase phase = Phase.CREATE;

    private Simulation(Seed seed, Sabotage sabotage) {
        this.seed = seed;
        this.sabotage = sabotage;
        mediumRandom = seed.stream("medium");
        crashRandom = seed.stream("crash");
        guestRandom = seed.stream("guest");
        storyRandom = seed.stream("story");
        plan = FaultPlan.choose(storyRandom);
        kind = ImageKind.values()[storyRandom.nextInt(ImageKind.values().length)];
        long size = VhdFormat.UNIT_BYTES * storyRandom.nextInt(4, kind == ImageKind.FIXED ? 6 : 25);
        model = new ModelDisk(size);
        checker = new Checker(patterns, model);
        places = new long[1 + storyRandom.nextInt(4)];
        for (int i = 0; i < places.length; i++) {
            places[i] = storyRandom.nextLong(size / kind.blockBytes) * kind.blockBytes;
        }
    }

    /** Runs the simulation of a seed. */
    public static Outcome run(Seed seed) {
        return run(seed, Sabotage.NONE);
    }

    /**
     * Runs the simulation of a seed with a defect planted.
     *
     * @throws SimulationFailure when it finds something
     */
    public static Outcome run(Seed seed, Sabotage sabotage) {
        return new Simulation(seed, sabotage).run();
    }

    private Outcome run() {
        try {
            begin();
            int rounds = 2 + storyRandom.nextInt(3);
            for (round = 1; round <= rounds; round++) {
                round(round == rounds);
            }
        } catch (RuntimeException | Error e) {
            throw new SimulationFailure(
                    "seed %d, round %d, %s, %s, %s: %s%nTo run it again: %s"
                            .formatted(
                                    seed.value(),
                                    round,
                                    phase,
                                    kind,
                                    plan,
                                    e.getMessage(),
                                    seed.replayCommand()),
                    e);
        }
        trace.add(30, requests, powerLosses);
        return new Outcome(trace.hash(), requests, powerLosses);
    }

    private SimHost powerOn() {
        return new SimHost(clock, mediumRandom, plan, trace, content, sabotage.aboveMedium());
    }

    /** The power is off: what the medium kept is what the next round begins with. */
    private void powerOff(SimHost host, boolean inOrder) {
        content = host.disk().crash(crashRandom);
        crashed = !inOrder;
        powerLosses += inOrder ? 0 : 1;
    }

    // ---- the image

    private void begin() {
        if (!kind.isOurs()) {
            content = kind.build(storyRandom, plan, model.sizeBytes(), patterns, model);
            return;
        }
        if (storyRandom.nextInt(5) == 0) {
            content = emptyVolume();
            if (!create(1 + crashRandom.nextInt(20))) {
                checkHalfMade();
                content = emptyVolume();
                create(Long.MAX_VALUE);
            }
        } else {
            content = emptyVolume();
            create(Long.MAX_VALUE);
        }
        mustBeClean = true;
    }

    private SimContent emptyVolume() {
        long step = plan.growthStepBytes();
        long size = plan.shrink() == FaultPlan.Shrink.NEVER ? 6 << 20 : 0;
        return new SimContent((size + step - 1) / step * step);
    }

    /** Makes the image; false when the power went off before it was made. */
    private boolean create(long eventsWithPower) {
        try (SimHost host = powerOn()) {
            try {
                host.backend().losePowerAfter(eventsWithPower);
                kind.create(format, host.access(), model.sizeBytes(), clock);
                powerOff(host, true);
                return true;
            } catch (PowerLoss e) {
                powerOff(host, false);
                return false;
            }
        }
    }

    /** An image whose creation was never confirmed is refused, or else it is an empty disk. */
    private void checkHalfMade() {
        try (SimHost host = powerOn()) {
            SimVdi vdi;
            try {
                vdi = new SimVdi(host, format, sabotage);
            } catch (StorageException refused) {
                return;
            }
            checker.checkAll(vdi, true, true);
        }
        crashed = false;
    }

    // ---- a round

    private void round(boolean last) {
        try (SimHost host = powerOn()) {
            try {
                SimVdi vdi = open(host, last);
                work(host, vdi, last);
                if (last || storyRandom.nextInt(3) == 0) {
                    close(host, vdi, last);
                    powerOff(host, true);
                    mustBeClean = true;
                    checkClean();
                } else {
                    powerOff(host, false);
                }
            } catch (PowerLoss e) {
                powerOff(host, false);
                if (last) {
                    throw new SimulationFailure("the power went off in the last round");
                }
            }
        }
    }

    private SimVdi open(SimHost host, boolean last) {
        phase = Phase.OPEN;
        if (!last && storyRandom.nextInt(5) == 0) {
            host.backend().losePowerAfter(1 + crashRandom.nextInt(30));
        }
        ImageInfo info = Checker.inspect(host, format);
        if (mustBeClean && !info.clean()) {
            throw new SimulationFailure("the image was closed in order and is not clean");
        }
        SimVdi vdi = new SimVdi(host, format, sabotage);
        if (wantedSize != 0 && vdi.sizeBytes() == wantedSize) {
            model.resize(wantedSize);
        }
        checker.checkAll(vdi, crashed, last);
        wantedSize = 0;
        crashed = false;
        mustBeClean = false;
        host.backend().keepPower();
        return vdi;
    }

    private void work(SimHost host, SimVdi vdi, boolean last) {
        phase = Phase.RUN;
        Workload workload =
                new Workload(
                        host, vdi, model, patterns, checker, guestRandom, places, kind.blockBytes);
        if (!last) {
            choosePowerLoss(host);
        }
        try {
            for (int parts = storyRandom.nextInt(4); parts > 0; parts--) {
                workload.run(1 + storyRandom.nextInt(50));
                if (kind.canGrow() && storyRandom.nextInt(4) == 0) {
                    resize(host, vdi, last);
                }
            }
        } finally {
            requests += workload.requests();
        }
    }

    private void choosePowerLoss(SimHost host) {
        SimBackend backend = host.backend();
        int count = 1 + crashRandom.nextInt(12);
        int later = crashRandom.nextInt(3) == 0 ? crashRandom.nextInt(8) : 0;
        switch (storyRandom.nextInt(8)) {
            case 0 -> {}
            case 1 -> backend.losePowerAfter(1 + crashRandom.nextInt(300));
            case 2 -> backend.losePowerAt(SimBackend.Mark.FLUSHED, count, later);
            case 3, 4 -> {
                watchTable(host);
                backend.losePowerAt(SimBackend.Mark.WATCHED_WRITTEN, (count + 3) / 4, later);
            }
            case 5, 6 -> {
                watchTable(host);
                int cleared = (count + 5) / 6;
                backend.losePowerAt(
                        SimBackend.Mark.WATCHED_CLEARED, cleared, crashRandom.nextInt(30));
            }
            default -> backend.losePowerAt(SimBackend.Mark.PROMISED, count, 0);
        }
    }

    private void watchTable(SimHost host) {
        if (kind != ImageKind.FIXED) {
            byte[] bytes = host.disk().content().read(VhdFooter.BYTES, VhdHeader.BYTES);
            VhdHeader header = VhdHeader.parse(bytes);
            long table = header.tableOffset();
            host.disk().watch(table, table + header.tableBytes());
        }
    }

    private void resize(SimHost host, SimVdi vdi, boolean last) {
        phase = Phase.RESIZE;
        long size = vdi.sizeBytes() + VhdFormat.UNIT_BYTES * storyRandom.nextInt(1, 9);
        if (!last && storyRandom.nextInt(3) == 0) {
            host.backend().losePowerAfter(1 + crashRandom.nextInt(20));
        }
        wantedSize = size;
        try {
            vdi.resize(size);
        } catch (StorageException refused) {
            // A table of another program has room for so many blocks and no more.
            if (kind.isOurs()) {
                throw refused;
            }
            size = model.sizeBytes();
        }
        model.resize(size);
        wantedSize = 0;
        phase = Phase.RUN;
    }

    private void close(SimHost host, SimVdi vdi, boolean last) {
        phase = Phase.CLOSE;
        if (!last && storyRandom.nextBoolean()) {
            host.backend().losePowerAfter(1 + crashRandom.nextInt(30));
        }
        vdi.close();
        model.flushed(model.mark());
    }

    /**
     * A closed image needs no luck: whatever the power does, it is in order and another may read
     * it.
     */
    private void checkClean() {
        StructureCheck.check(content, powerLosses == 0);
        try (SimHost host = powerOn()) {
            if (!Checker.inspect(host, format).clean()) {
                throw new SimulationFailure("the image was closed in order and is not clean");
            }
            checker.checkAll(new SimVdi(host, format, sabotage), false, false);
        }
    }
}
