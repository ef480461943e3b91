// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.vhd.VhdFooter;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdHeader;

import org.junit.jupiter.api.Test;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.random.RandomGenerator;

/** What the simulation found, each in the shortest form that shows it. */
class VhdCrashFindingsTest {
    private static final long SIZE = 16 << 20;
    private static final int BLOCK = 2 << 20;
    private static final int SECTOR = Patterns.SECTOR;

    private final SimClock clock = new SimClock();
    private final VhdFormat format = new VhdFormat(clock);
    private final RandomGenerator random = new Seed(7).stream("test");
    private final Patterns patterns = new Patterns();
    private FaultPlan plan = new FaultPlan(SECTOR, 1, 0, SECTOR, true, FaultPlan.Shrink.EXACT);
    private SimContent content = new SimContent(0);

    private SimHost powerOn() {
        return new SimHost(clock, random, plan, new Trace(), content, List.of());
    }

    private void create() {
        try (SimHost host = powerOn()) {
            Operation operation = Operation.unbounded("create", clock);
            format.create(host.access(), ImageSpec.plain(new UUID(1, 2), SIZE), operation);
            content = host.disk().crash(random);
        }
    }

    private SimVdi open(SimHost host) {
        return new SimVdi(host, format, Sabotage.NONE);
    }

    private void write(SimHost host, SimVdi vdi, int flags, long offset, int sectors, int stamp) {
        MemorySegment memory = host.allocate((long) sectors * SECTOR);
        patterns.fill(memory, 0, stamp, offset / SECTOR, sectors);
        run(host, vdi, BlockOp.WRITE, flags, offset, (long) sectors * SECTOR, memory);
    }

    private static void run(
            SimHost host,
            SimVdi vdi,
            BlockOp op,
            int flags,
            long offset,
            long length,
            MemorySegment memory) {
        IoStatus[] outcome = new IoStatus[1];
        vdi.submit(op, flags, offset, length, memory, 0, end -> outcome[0] = end.status);
        host.runUntil(() -> outcome[0] != null);
        assertEquals(IoStatus.OK, outcome[0]);
    }

    private static void flush(SimHost host, SimVdi vdi) {
        run(host, vdi, BlockOp.FLUSH, 0, 0, 0, null);
    }

    /** The medium after the worst loss of power: nothing is kept that was not promised. */
    private static SimContent worst(SimDisk disk) {
        RandomGenerator never = () -> 0;
        return disk.crash(never);
    }

    /**
     * A write with FUA went over the boundary of two blocks. The first had nothing to commit, and
     * only the first was asked: the write was acknowledged while the bitmap of the second was in
     * memory only, and the second half of the data read as zero after a crash.
     */
    @Test
    void keepsADurableWriteThatCrossesIntoABlockThatIsNotCommitted() {
        create();
        int stamp = patterns.stamp();
        try (SimHost host = powerOn()) {
            SimVdi vdi = open(host);
            write(host, vdi, 0, BLOCK - 8 * SECTOR, 8, patterns.stamp());
            write(host, vdi, 0, BLOCK + 800 * SECTOR, 8, patterns.stamp());
            flush(host, vdi);
            write(host, vdi, BlockRequest.FUA, BLOCK - 8 * SECTOR, 16, stamp);
            content = worst(host.disk());
        }
        try (SimHost host = powerOn()) {
            MemorySegment memory = open(host).read(BLOCK - 8 * SECTOR, 16 * SECTOR);
            for (int i = 0; i < 16; i++) {
                long sector = BLOCK / SECTOR - 8L + i;
                assertTrue(patterns.matches(memory, (long) i * SECTOR, stamp, sector), "at " + i);
            }
        }
    }

    /**
     * A guest wrote a copy of the image's footer into the last sector of a block, which was the
     * last sector of the volume. After a crash that sector was taken for the footer at the end: the
     * image seemed to be closed in order, closing it changed nothing, and other programs would have
     * read the guest's sector as the footer. The last sector of a volume is no block's any more.
     */
    @Test
    void doesNotTakeTheDataOfAGuestForTheFooter() {
        create();
        try (SimHost host = powerOn()) {
            SimVdi vdi = open(host);
            int footer = patterns.stampFor(host.disk().content().read(0, SECTOR));
            write(host, vdi, 0, BLOCK - SECTOR, 1, footer);
            flush(host, vdi);
            content = worst(host.disk());
        }
        try (SimHost host = powerOn()) {
            assertFalse(VhdFooter.isFooter(content.read(content.sizeBytes() - SECTOR, SECTOR)));
            assertFalse(format.inspect(host.access()).clean());
            open(host).close();
            StructureCheck.check(worst(host.disk()), false);
        }
    }

    /**
     * A store that grows volumes in steps, or never cuts one off, leaves room behind the data. The
     * footer was written right behind the data, where no reader looks for it, so the image was
     * never clean.
     */
    @Test
    void putsTheFooterAtTheEndOfAVolumeThatIsTooLarge() {
        for (FaultPlan.Shrink shrink : FaultPlan.Shrink.values()) {
            plan = new FaultPlan(4096, 4096, 0, 4 << 20, true, shrink);
            content = new SimContent(0);
            create();
            StructureCheck.check(content, true);
            try (SimHost host = powerOn()) {
                assertTrue(format.inspect(host.access()).clean(), "created, " + shrink);
                SimVdi vdi = open(host);
                write(host, vdi, 0, 3 * BLOCK, 8, patterns.stamp());
                vdi.close();
                content = worst(host.disk());
                StructureCheck.check(content, true);
            }
            try (SimHost host = powerOn()) {
                assertTrue(format.inspect(host.access()).clean(), "closed, " + shrink);
            }
        }
    }

    /** The same for a fixed disk, which was refused when its volume was larger than it. */
    @Test
    void putsTheFooterOfAFixedDiskAtTheEndOfItsVolume() {
        plan = new FaultPlan(4096, 4096, 0, 4 << 20, true, FaultPlan.Shrink.NEVER);
        try (SimHost host = powerOn()) {
            format.createFixed(host.access(), new UUID(1, 2), SIZE);
            assertTrue(format.inspect(host.access()).clean());
            assertEquals(SIZE, open(host).sizeBytes());
        }
    }

    /** The first footer was damaged, and the first new block took the place of the other one. */
    @Test
    void bringsBackADamagedFirstFooterBeforeTheLastOneGoes() {
        create();
        content.write(100, new byte[] {1}, 0, 1);
        try (SimHost host = powerOn()) {
            write(host, open(host), 0, 0, 8, patterns.stamp());
            content = worst(host.disk());
        }
        try (SimHost host = powerOn()) {
            assertEquals(SIZE, format.inspect(host.access()).sizeBytes());
        }
    }

    /** The header lay behind the table, where new blocks were put as if nothing was there. */
    @Test
    void keepsAHeaderThatLiesBehindTheTable() {
        content = new SimContent(64 << 10);
        byte[] footer = headerLast().encode();
        content.write(0, footer, 0, SECTOR);
        VhdHeader header = new VhdHeader(SECTOR, 16, 64 << 10);
        byte[] unused = new byte[SECTOR];
        Arrays.fill(unused, (byte) 0xFF);
        content.write(SECTOR, unused, 0, SECTOR);
        content.write(2 * SECTOR, header.encode(), 0, VhdHeader.BYTES);
        content.write(content.sizeBytes() - SECTOR, footer, 0, SECTOR);
        try (SimHost host = powerOn()) {
            SimVdi vdi = open(host);
            write(host, vdi, 0, 0, 128, patterns.stamp());
            vdi.close();
            content = worst(host.disk());
        }
        assertArrayEquals(header.encode(), content.read(2 * SECTOR, VhdHeader.BYTES));
    }

    /**
     * A block was given up that was full when the image was closed. The footer at the end stayed,
     * and so did the bit of the block in the batmap: after a crash the image seemed to be closed in
     * order, and a block that was written anew in part was taken to be full. What was written to it
     * then was in no bitmap. Such a block begins with all its bits set.
     */
    @Test
    void findsWhatWasWrittenToABlockThatWasGivenUp() {
        create();
        try (SimHost host = powerOn()) {
            SimVdi vdi = open(host);
            write(host, vdi, 0, 0, BLOCK / SECTOR, patterns.stamp());
            write(host, vdi, 0, BLOCK, BLOCK / SECTOR, patterns.stamp());
            vdi.close();
            content = worst(host.disk());
        }
        StructureCheck.check(content, true);
        try (SimHost host = powerOn()) {
            SimVdi vdi = open(host);
            run(host, vdi, BlockOp.DISCARD, 0, 0, 2 * BLOCK, null);
            run(host, vdi, BlockOp.DISCARD, 0, 0, BLOCK, null);
            flush(host, vdi);
            write(host, vdi, 0, 0, 8, patterns.stamp());
            flush(host, vdi);
            content = worst(host.disk());
        }
        try (SimHost host = powerOn()) {
            SimVdi vdi = open(host);
            write(host, vdi, 0, 64 * SECTOR, 8, patterns.stamp());
            vdi.close();
            StructureCheck.check(worst(host.disk()), false);
        }
    }

    private static VhdFooter headerLast() {
        return new VhdFooter(
                2,
                2 * SECTOR,
                0,
                0x7669_7274,
                0x0006_0000,
                0,
                1 << 20,
                1 << 20,
                0x0200_0411,
                VhdFooter.Type.DYNAMIC,
                new UUID(3, 4),
                false,
                false);
    }
}
