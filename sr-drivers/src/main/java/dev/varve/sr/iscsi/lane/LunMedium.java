// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.iscsi.session.ControlLun;
import dev.varve.sr.iscsi.session.ControlSession;
import dev.varve.sr.scsi.BlockLimits;
import dev.varve.sr.scsi.Capacity;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.Provisioning;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.filter.ResendFilter;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A logical unit of an iSCSI target, by one or several portals, as the place of a repository.
 *
 * <p>What the methods here do goes by a lane of its own, which has sessions like every other lane,
 * so that failover and all the care about what is in doubt are the same for metadata and for disks.
 * What a target forgets that was not flushed is written again before a flush returns.
 *
 * <p><b>Errors:</b> as of {@link BlockMedium}; a unit that cannot be reached for longer than {@link
 * LunSettings#holdNanos} is SR_UNAVAILABLE.
 */
public final class LunMedium implements BlockMedium {
    private static final int MEMORY_ALIGNMENT = 4096;
    private static final int MOST_TRANSFER_BYTES = 1 << 20;
    private static final long CHECK_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long MARGIN_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final int ASK_MILLIS = 30_000;

    private final String name;
    private final LunSettings settings;
    private final Waiting waiting;
    private final LunDevice device;
    private final ControlLane control;
    private final DeviceGraph graph;
    private final Reservations reservations;
    private final int blockBytes;

    private LunMedium(
            String name, LunDevice device, LunSettings settings, Clock clock, Waiting waiting) {
        this.name = name;
        this.settings = settings;
        this.waiting = waiting;
        this.device = device;
        this.blockBytes = device.shape().blockBytes();
        control = new ControlLane("lun-control", clock);
        reservations = new LunReservations(device, this::readFirstBlock);
        graph = new DeviceGraph(device);
        graph.insert(new ResendFilter());
        graph.addUser("medium", EnumSet.of(NodePermission.READ, NodePermission.WRITE), Set.of());
    }

    /**
     * Finds out what the unit is, and opens it. The sessions of lanes begin when lanes use it.
     *
     * @param spec how to log in; its portal does not count
     * @param portals where the target listens, at least one; the first that answers is asked
     * @param lun the number of the unit
     * @param writable whether it is to be written
     * @throws StorageException when no portal answers, or the unit is not one that can be used
     */
    public static LunMedium open(
            SessionSpec spec,
            List<Portal> portals,
            int lun,
            boolean writable,
            LunSettings settings,
            Connector connector,
            Clock clock,
            Waiting waiting) {
        LunShape shape = shape(spec, portals, lun, writable, connector, clock);
        LunDevice device =
                new LunDevice(
                        spec, portals, lun, shape, settings, connector::logIn, clock, waiting);
        String name = "unit %d of %s".formatted(lun, spec.target());
        return new LunMedium(name, device, settings, clock, waiting);
    }

    private static LunShape shape(
            SessionSpec spec,
            List<Portal> portals,
            int lun,
            boolean writable,
            Connector connector,
            Clock clock) {
        StorageException failure = null;
        for (Portal portal : portals) {
            SessionSpec there = spec.at(portal);
            try (ControlSession session = new ControlSession(there, connector, clock, ASK_MILLIS)) {
                ControlLun unit = new ControlLun(session, Lun.bytes(lun));
                return shape(unit, writable && unit.isWritable());
            } catch (StorageException e) {
                if (failure != null) {
                    e.addSuppressed(failure);
                }
                failure = e;
            }
        }
        throw failure == null
                ? ErrorCode.CONFIG_TARGET_MISSING.because("there is no portal to ask")
                : failure;
    }

    private static LunShape shape(ControlLun unit, boolean writable) {
        Capacity capacity = unit.capacity();
        BlockLimits limits = unit.limits();
        int block = capacity.blockBytes();
        if (block != 512 && block != 4096) {
            throw ErrorCode.ISCSI_DEVICE.because(
                    "%s has blocks of %d bytes; only 512 and 4096 can be used"
                            .formatted(unit.name(), block));
        }
        long most = limits.maxTransferBlocks();
        boolean told = most > 0 && most < MOST_TRANSFER_BYTES / block;
        return new LunShape(
                capacity.blocks(),
                block,
                capacity.physicalBlockBytes(),
                writable,
                told ? (int) most * block : MOST_TRANSFER_BYTES,
                unit.canUnmap() ? limits.maxUnmapBlocks() : 0,
                writeSameBlocks(limits, unit.provisioning()),
                unit.provisioning().writeSame(),
                capacity.unmappedIsZero());
    }

    /**
     * A target that tells no limit may carry WRITE SAME out block by block, which for zeros takes
     * much longer than to send them; it is asked for that only where it gives space back.
     */
    static long writeSameBlocks(BlockLimits limits, Provisioning provisioning) {
        long told = limits.maxWriteSameBlocks();
        if (told > 0) {
            return told;
        }
        return provisioning.writeSame() ? Integer.MAX_VALUE : 0;
    }

    // ---- what it is

    @Override
    public String name() {
        return name;
    }

    @Override
    public long sizeBytes() {
        return device.geometry().sizeBytes();
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public boolean isWritable() {
        return device.shape().writable();
    }

    @Override
    public BlockDevice device() {
        return device;
    }

    /** How the paths are doing, one for each portal. */
    public List<PathHealth> paths() {
        return device.paths();
    }

    /** Over all sessions of all lanes, those of this medium included. */
    @Override
    public Optional<Reservations> reservations() {
        return Optional.of(reservations);
    }

    // ---- bytes

    private CompletableFuture<IoStatus> start(
            BlockOp op, long offset, long length, MemorySegment memory) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        control.lane()
                .submit(
                        graph,
                        op,
                        0,
                        offset,
                        length,
                        memory,
                        0,
                        request -> {
                            IoStatus status = request.status;
                            request.context.release(request);
                            done.complete(status);
                        });
        return done;
    }

    /** The device gives up by itself; only one that never does is waited for without end. */
    private void run(BlockOp op, long offset, long length, MemorySegment memory) {
        long hold = settings.holdNanos();
        long patience = hold == 0 ? Long.MAX_VALUE : 2 * hold + MARGIN_NANOS;
        run(op, offset, length, memory, patience);
    }

    private void run(BlockOp op, long offset, long length, MemorySegment memory, long nanos) {
        String what = "%s of %d bytes at %d of %s".formatted(op, length, offset, name);
        try {
            check(waiting.await(start(op, offset, length, memory), nanos), what);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.SR_UNAVAILABLE.because(what + " was interrupted", e);
        } catch (TimeoutException e) {
            throw ErrorCode.SR_UNAVAILABLE.because(what + " does not end: " + paths(), e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(what + " failed", e);
        }
    }

    private void check(IoStatus status, String what) {
        switch (status) {
            case OK -> {
                // done
            }
            case TIMED_OUT, CANCELLED ->
                    throw ErrorCode.SR_UNAVAILABLE.because(
                            what + " did not get through: " + paths());
            case READ_ONLY -> throw ErrorCode.SR_NOT_WRITABLE.because(what + " is not allowed");
            case NO_SPACE -> throw ErrorCode.SR_NO_SPACE.because(what + ": no room is left");
            default -> throw ErrorCode.SR_IO_ERROR.because(what + " ended with " + status);
        }
    }

    /** Memory that lives as long as anybody refers to it, be it only the target's answer. */
    private static MemorySegment memory(long bytes) {
        return Arena.ofAuto().allocate(bytes, MEMORY_ALIGNMENT);
    }

    @Override
    public byte[] read(long offset, int length) {
        if (length == 0) {
            return new byte[0];
        }
        long start = offset / blockBytes * blockBytes;
        long end = roundUp(offset + length);
        MemorySegment memory = memory(end - start);
        run(BlockOp.READ, start, end - start, memory);
        return memory.asSlice(offset - start, length).toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public synchronized void write(long offset, byte[] data) {
        if (data.length == 0) {
            return;
        }
        long start = offset / blockBytes * blockBytes;
        long end = roundUp(offset + data.length);
        MemorySegment memory = memory(end - start);
        if (start < offset) {
            run(BlockOp.READ, start, blockBytes, memory);
        }
        if (offset + data.length < end) {
            long last = end - blockBytes;
            run(BlockOp.READ, last, blockBytes, memory.asSlice(last - start));
        }
        MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, offset - start, data.length);
        run(BlockOp.WRITE, start, end - start, memory);
    }

    private long roundUp(long offset) {
        return (offset + blockBytes - 1) / blockBytes * blockBytes;
    }

    @Override
    public void flush() {
        run(BlockOp.FLUSH, 0, 0, null);
    }

    @Override
    public void zero(long offset, long length) {
        run(BlockOp.WRITE_ZEROES, offset, length, null);
    }

    @Override
    public void discard(long offset, long length) {
        if (canDiscard()) {
            run(BlockOp.DISCARD, offset, length, null);
        }
    }

    @Override
    public boolean canDiscard() {
        return device.features().contains(BlockFeature.DISCARD);
    }

    /** Reads a block, and has the size of the unit looked at again. */
    @Override
    public void check() {
        control.lane().execute(() -> device.measureAgain(control.lane()));
        readFirstBlock();
    }

    /** When it returns, a path of the lane here is up. */
    private void readFirstBlock() {
        run(BlockOp.READ, 0, blockBytes, memory(blockBytes), CHECK_NANOS);
    }

    @Override
    public void close() {
        device.close();
        control.close();
    }
}
