// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * A device in memory that knows which blocks a crash can still lose: every write is cut into
 * blocks, and until the next flush any of these may be on the device or not.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class CrashMedium implements BlockMedium {
    private final String name;
    private final int blockBytes;
    private final byte[] now;
    private final byte[] durable;
    private final List<Integer> pending = new ArrayList<>();
    private Runnable afterWrite = () -> {};
    private boolean broken;

    CrashMedium(String name, int sizeBytes, int blockBytes) {
        this(name, new byte[sizeBytes], blockBytes);
    }

    private CrashMedium(String name, byte[] contents, int blockBytes) {
        this.name = name;
        this.blockBytes = blockBytes;
        this.now = contents;
        this.durable = contents.clone();
    }

    /** What is to happen after each write, while it may still be lost. */
    void afterWrite(Runnable action) {
        afterWrite = action;
    }

    /** Has all writes and flushes fail from now on, or be well again. */
    void setBroken(boolean isBroken) {
        broken = isBroken;
    }

    /** How many blocks a crash could lose now. */
    int pendingBlocks() {
        return pending.size();
    }

    /** The device after a crash that kept the first so many of the blocks that it could lose. */
    CrashMedium keepFirst(int blocks) {
        return survivor(pending.subList(0, blocks));
    }

    /** The device after a crash that kept any of the blocks that it could lose. */
    CrashMedium keepAny(Random random) {
        return survivor(pending.stream().filter(block -> random.nextBoolean()).toList());
    }

    private CrashMedium survivor(List<Integer> kept) {
        byte[] contents = durable.clone();
        for (int block : kept) {
            System.arraycopy(now, block * blockBytes, contents, block * blockBytes, blockBytes);
        }
        return new CrashMedium(name, contents, blockBytes);
    }

    /** Changes a byte behind the back of everyone. */
    void damage(long offset) {
        now[(int) offset] ^= 0x55;
        durable[(int) offset] ^= 0x55;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long sizeBytes() {
        return now.length;
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public boolean isWritable() {
        return true;
    }

    @Override
    public byte[] read(long offset, int length) {
        return Arrays.copyOfRange(now, (int) offset, (int) offset + length);
    }

    @Override
    public void write(long offset, byte[] data) {
        requireWell();
        System.arraycopy(data, 0, now, (int) offset, data.length);
        long end = offset + data.length;
        for (long block = offset / blockBytes; block * blockBytes < end; block++) {
            pending.add((int) block);
        }
        afterWrite.run();
    }

    @Override
    public void flush() {
        requireWell();
        System.arraycopy(now, 0, durable, 0, now.length);
        pending.clear();
    }

    private void requireWell() {
        if (broken) {
            throw ErrorCode.SR_IO_ERROR.because(name + " is broken");
        }
    }

    @Override
    public void zero(long offset, long length) {
        write(offset, new byte[(int) length]);
    }

    @Override
    public void discard(long offset, long length) {}

    @Override
    public boolean canDiscard() {
        return false;
    }

    @Override
    public BlockDevice device() {
        throw new UnsupportedOperationException("there are no disks on it");
    }

    @Override
    public Optional<Reservations> reservations() {
        return Optional.empty();
    }

    @Override
    public void check() {}

    @Override
    public void close() {}
}
