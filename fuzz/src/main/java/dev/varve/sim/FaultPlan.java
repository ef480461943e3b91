// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.Geometry;

import java.util.random.RandomGenerator;

/**
 * How the medium of one simulation behaves; the package description tells what each of these stands
 * for.
 *
 * @param sectorBytes the smallest unit that the medium writes as a whole
 * @param memoryAlignmentBytes what the medium demands of the address of memory
 * @param slowChance how many of a thousand requests take milliseconds instead of microseconds
 * @param growthStepBytes volumes grow in steps of this size
 * @param overlapIsAFinding whether changes that overlap in flight are a defect; a guest that sends
 *     such is served, but nobody else has a reason to
 * @param shrink what a store does when it is asked to cut a volume off
 * @param sizesAreDurable whether sizes of volumes are durable at once, and not only with a flush
 * @param zeroesSpace whether new space of volumes reads as zero
 * @param growAheadBytes how much room there should be behind what is in use of a volume
 * @param thick whether disks have all their room from the start
 */
public record FaultPlan(
        int sectorBytes,
        int memoryAlignmentBytes,
        int slowChance,
        long growthStepBytes,
        boolean overlapIsAFinding,
        Shrink shrink,
        boolean sizesAreDurable,
        boolean zeroesSpace,
        long growAheadBytes,
        boolean thick) {
    /** What a store does when it is asked to cut a volume off. */
    public enum Shrink {
        /** Cuts it off at the sector. */
        EXACT,
        /** Cuts it off at the next step of growth. */
        STEP,
        /** Leaves it as it is. */
        NEVER
    }

    /** A medium of which sizes are durable with the next flush. */
    FaultPlan(
            int sectorBytes,
            int memoryAlignmentBytes,
            int slowChance,
            long growthStepBytes,
            boolean overlapIsAFinding,
            Shrink shrink) {
        this(
                sectorBytes,
                memoryAlignmentBytes,
                slowChance,
                growthStepBytes,
                overlapIsAFinding,
                shrink,
                false,
                true,
                0,
                false);
    }

    /** A medium without any peculiarity. */
    public static FaultPlan plain() {
        return new FaultPlan(
                Geometry.SECTOR_BYTES, 1, 0, Geometry.SECTOR_BYTES, false, Shrink.EXACT);
    }

    /** A medium as the numbers fall. */
    static FaultPlan choose(RandomGenerator random) {
        int sector = random.nextInt(3) == 0 ? 4096 : Geometry.SECTOR_BYTES;
        long[] steps = {sector, sector, 64 << 10, 1 << 20, 4 << 20};
        FaultPlan plan =
                new FaultPlan(
                        sector,
                        random.nextInt(4) == 0 ? 1 : sector,
                        random.nextInt(3) == 0 ? 0 : random.nextInt(200),
                        steps[random.nextInt(steps.length)],
                        true,
                        Shrink.values()[random.nextInt(8) < 5 ? 0 : random.nextInt(3)]);
        return plan.growingAhead(random);
    }

    /** A device with blocks of 4096 bytes, of which volumes get whole extents. */
    static FaultPlan chooseForExtents(RandomGenerator random) {
        long[] extents = {4 << 20, 4 << 20, 1 << 20};
        FaultPlan plan =
                new FaultPlan(
                        4096,
                        random.nextInt(4) == 0 ? 1 : 4096,
                        random.nextInt(3) == 0 ? 0 : random.nextInt(200),
                        extents[random.nextInt(extents.length)],
                        true,
                        Shrink.STEP,
                        true,
                        random.nextBoolean(),
                        0,
                        random.nextInt(5) == 0);
        return plan.growingAhead(random);
    }

    /** The same, or one whose volumes are grown ahead of need. */
    private FaultPlan growingAhead(RandomGenerator random) {
        long[] ahead = {0, 0, 1 << 20, 5 << 20};
        return new FaultPlan(
                sectorBytes,
                memoryAlignmentBytes,
                slowChance,
                growthStepBytes,
                overlapIsAFinding,
                shrink,
                sizesAreDurable,
                zeroesSpace,
                ahead[random.nextInt(ahead.length)],
                thick);
    }

    /** The same with sizes that are durable at once. */
    FaultPlan withDurableSizes() {
        return new FaultPlan(
                sectorBytes,
                memoryAlignmentBytes,
                slowChance,
                growthStepBytes,
                overlapIsAFinding,
                shrink,
                true,
                zeroesSpace,
                growAheadBytes,
                thick);
    }

    /** How long one request takes. */
    long delayNanos(RandomGenerator random) {
        return random.nextInt(1000) < slowChance
                ? random.nextLong(1_000_000, 400_000_000)
                : random.nextLong(5_000, 500_000);
    }
}
