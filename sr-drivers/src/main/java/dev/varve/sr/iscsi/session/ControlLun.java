// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import dev.varve.sr.scsi.BlockLimits;
import dev.varve.sr.scsi.Capacity;
import dev.varve.sr.scsi.Cdb;
import dev.varve.sr.scsi.Provisioning;
import dev.varve.sr.scsi.ScsiFailure;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.UnitInquiry;
import dev.varve.sr.scsi.UnmapList;
import dev.varve.vdi.ErrorCode;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * The blocks of a LUN, for code that may wait: metadata of volume groups, not the data of disks.
 *
 * <p><b>Threads:</b> any that may wait; one call at a time, others wait for it.
 *
 * <p><b>Durability:</b> what was written is durable when {@link #flush()} has returned. When the
 * target was started anew meanwhile, or the unit was reset, what had not been flushed is written
 * again before it returns.
 *
 * <p><b>Errors:</b> as {@link ControlSession} and {@link ScsiFailure}.
 */
public final class ControlLun {
    private static final int TRANSFER_BYTES = 256 << 10;

    private final ControlSession session;
    private final ScsiPort port;
    private final UnitInquiry inquiry;
    private final UnflushedWrites unflushed = new UnflushedWrites();
    private Capacity capacity;
    private final BlockLimits limits;
    private final Provisioning provisioning;
    private final int transferBlocks;
    private long lossesSeen;

    /** Finds out how large the LUN is and what it can do. */
    public ControlLun(ControlSession session, long lun) {
        this.session = session;
        this.port = session.port(lun);
        this.inquiry = new UnitInquiry(port);
        this.capacity = checked(inquiry.capacity());
        this.limits = inquiry.limits();
        this.transferBlocks = transferBlocks(capacity, limits);
        this.provisioning = capacity.isThin() ? inquiry.provisioning() : Provisioning.NONE;
        this.lossesSeen = session.losses();
    }

    private static int transferBlocks(Capacity capacity, BlockLimits limits) {
        int blocks = TRANSFER_BYTES / capacity.blockBytes();
        long most = limits.maxTransferBlocks();
        return most == 0 ? blocks : (int) Math.min(most, blocks);
    }

    private Capacity checked(Capacity found) {
        if (found.blockBytes() > 4096 || found.isProtected()) {
            throw ErrorCode.ISCSI_DEVICE.because(
                    "%s has blocks of %d bytes%s; those of 512 to 4096 bytes without protection"
                                    .formatted(
                                            port.name(),
                                            found.blockBytes(),
                                            found.isProtected() ? " with protection" : "")
                            + " information can be used");
        }
        return found;
    }

    /** The LUN, for messages. */
    public String name() {
        return port.name();
    }

    /** The way to the LUN. */
    public ScsiPort port() {
        return port;
    }

    /** Its size and shape, as last looked at. */
    public synchronized Capacity capacity() {
        return capacity;
    }

    /** Looks at its size again. A unit whose blocks have another size now is another one. */
    public synchronized Capacity refresh() {
        Capacity now = checked(inquiry.capacity());
        if (now.blockBytes() != capacity.blockBytes()) {
            throw ErrorCode.ISCSI_DEVICE.because(
                    "%s had blocks of %d bytes and has such of %d now"
                            .formatted(port.name(), capacity.blockBytes(), now.blockBytes()));
        }
        capacity = now;
        return now;
    }

    /** The limits of its commands; {@link BlockLimits#UNKNOWN} where it tells none. */
    public BlockLimits limits() {
        return limits;
    }

    /** How it gives blocks up; {@link Provisioning#NONE} for a LUN that is not thin. */
    public Provisioning provisioning() {
        return provisioning;
    }

    /** Whether it lets itself be written. */
    public boolean isWritable() {
        return inquiry.isWritable();
    }

    private interface Builder {
        void put(MemorySegment memory, long at);
    }

    private ScsiOutcome execute(Builder command, byte[] out, int room) {
        byte[] cdb = new byte[Cdb.BYTES];
        command.put(MemorySegment.ofArray(cdb), 0);
        return port.execute(cdb, out, room);
    }

    private void check(long block, long count) {
        Objects.checkFromIndexSize(block, count, capacity.blocks());
    }

    // ---- bytes

    /** Reads whole blocks. */
    public synchronized byte[] read(long block, int count) {
        check(block, count);
        int size = capacity.blockBytes();
        byte[] all = new byte[Math.multiplyExact(count, size)];
        int step = transferBlocks;
        for (int done = 0; done < count; done += step) {
            int part = Math.min(step, count - done);
            byte[] data = readOnce(block + done, part);
            System.arraycopy(data, 0, all, done * size, data.length);
        }
        return all;
    }

    private byte[] readOnce(long block, int count) {
        int bytes = count * capacity.blockBytes();
        ScsiOutcome outcome = execute((m, at) -> Cdb.read(m, at, block, count), new byte[0], bytes);
        String what = "cannot read %d blocks at %d".formatted(count, block);
        if (!outcome.isGood()) {
            throw ScsiFailure.of(outcome, what, port.name());
        }
        if (outcome.data().length != bytes) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "%s of %s: only %d bytes came"
                            .formatted(what, port.name(), outcome.data().length));
        }
        return outcome.data();
    }

    /** Writes whole blocks. */
    public synchronized void write(long block, byte[] data) {
        int size = capacity.blockBytes();
        if (data.length % size != 0) {
            throw new IllegalArgumentException(data.length + " bytes are not whole blocks");
        }
        check(block, data.length / size);
        int step = transferBlocks * size;
        for (int done = 0; done < data.length; done += step) {
            int end = Math.min(data.length, done + step);
            byte[] part = Arrays.copyOfRange(data, done, end);
            long first = block + done / size;
            writeOnce(first, part);
            keep(first, part.length / size, part);
        }
    }

    private void writeOnce(long block, byte[] data) {
        int count = data.length / capacity.blockBytes();
        ScsiOutcome outcome = execute((m, at) -> Cdb.write(m, at, block, count, false), data, 0);
        if (!outcome.isGood()) {
            String what = "cannot write %d blocks at %d".formatted(count, block);
            throw ScsiFailure.of(outcome, what, port.name());
        }
    }

    private void keep(long block, long count, byte[] data) {
        unflushed.add(block, count, data);
        if (unflushed.areTooMany()) {
            flush();
        }
    }

    /** Makes a range of blocks read as zero. */
    public synchronized void zero(long block, long count) {
        check(block, count);
        zeroOnce(block, count);
        keep(block, count, null);
    }

    private void zeroOnce(long block, long count) {
        long most = limits.maxWriteSameBlocks() == 0 ? 1 << 22 : limits.maxWriteSameBlocks();
        boolean unmap = provisioning.writeSame() && provisioning.unmappedIsZero();
        byte[] zeros = new byte[capacity.blockBytes()];
        for (long done = 0; done < count; ) {
            long first = block + done;
            int part = (int) Math.min(Math.min(most, 1 << 22), count - done);
            ScsiOutcome outcome =
                    execute((m, at) -> Cdb.writeSame(m, at, first, part, unmap), zeros, 0);
            if (outcome.isUnsupported()) {
                writeZeros(first, count - done);
                return;
            }
            if (!outcome.isGood()) {
                String what = "cannot zero %d blocks at %d".formatted(part, first);
                throw ScsiFailure.of(outcome, what, port.name());
            }
            done += part;
        }
    }

    private void writeZeros(long block, long count) {
        int step = transferBlocks;
        for (long done = 0; done < count; done += step) {
            int part = (int) Math.min(step, count - done);
            writeOnce(block + done, new byte[part * capacity.blockBytes()]);
        }
    }

    /** Whether {@link #unmap} does something. */
    public boolean canUnmap() {
        return provisioning.unmap() && limits.maxUnmapBlocks() > 0 && limits.maxUnmapRanges() > 0;
    }

    /** Gives blocks up; what they read as afterwards is open. Does nothing without UNMAP. */
    public synchronized void unmap(long block, long count) {
        check(block, count);
        if (!canUnmap()) {
            return;
        }
        for (long done = 0; done < count; ) {
            int part = (int) Math.min(Math.min(limits.maxUnmapBlocks(), 1 << 30), count - done);
            byte[] list = new byte[UnmapList.BYTES];
            UnmapList.put(MemorySegment.ofArray(list), 0, block + done, part);
            ScsiOutcome outcome = execute((m, at) -> Cdb.unmap(m, at, list.length), list, 0);
            if (!outcome.isGood()) {
                String what = "cannot unmap %d blocks at %d".formatted(part, block + done);
                throw ScsiFailure.of(outcome, what, port.name());
            }
            done += part;
        }
    }

    /** Makes all that was written durable. */
    public synchronized void flush() {
        long losses;
        do {
            losses = session.losses();
            if (losses != lossesSeen) {
                writeAgain();
            }
            lossesSeen = losses;
            synchronizeCache();
        } while (session.losses() != lossesSeen);
        unflushed.clear();
    }

    private void writeAgain() {
        for (UnflushedWrites.Written each : unflushed.all()) {
            if (each.data() == null) {
                zeroOnce(each.block(), each.count());
            } else {
                writeOnce(each.block(), each.data());
            }
        }
    }

    private void synchronizeCache() {
        ScsiOutcome outcome = execute(Cdb::synchronizeCache, new byte[0], 0);
        if (!outcome.isGood()) {
            throw ScsiFailure.of(outcome, "cannot make durable what was written", port.name());
        }
    }
}
