// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * A device in memory of which a crash keeps any of the blocks that were written since the last
 * flush, each as one of the writes to it has left it. What is discarded is lost at once, whatever
 * happens afterwards: that is the worst that a device may do.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class CrashMedium implements BlockMedium {
    private static final byte DISCARDED = (byte) 0xdd;

    private record Written(long block, byte[] bytes) {}

    private final String name;
    private final long sizeBytes;
    private final int blockBytes;
    private final byte fill;
    private final Map<Long, byte[]> durable;
    private final Map<Long, byte[]> now;
    private final List<Written> pending = new ArrayList<>();
    private Runnable afterWrite = () -> {};
    private boolean broken;

    /** Full of zeros. */
    public CrashMedium(String name, long sizeBytes, int blockBytes) {
        this(name, sizeBytes, blockBytes, (byte) 0);
    }

    /**
     * @param fill what is in every byte at first
     */
    public CrashMedium(String name, long sizeBytes, int blockBytes, byte fill) {
        this(name, sizeBytes, blockBytes, fill, Map.of());
    }

    private CrashMedium(
            String name, long sizeBytes, int blockBytes, byte fill, Map<Long, byte[]> contents) {
        this.name = name;
        this.sizeBytes = sizeBytes;
        this.blockBytes = blockBytes;
        this.fill = fill;
        this.durable = new HashMap<>(contents);
        this.now = new HashMap<>(contents);
    }

    // ---- for tests

    /** The same device, as it is now, for somebody else. */
    public CrashMedium copy() {
        return new CrashMedium(name, sizeBytes, blockBytes, fill, now);
    }

    /** What is to happen after each write, while it may still be lost, and after each flush. */
    public void afterWrite(Runnable action) {
        afterWrite = action;
    }

    /** Has all writes and flushes fail from now on, or be well again. */
    public void setBroken(boolean isBroken) {
        broken = isBroken;
    }

    /** How many blocks a crash could lose now. */
    public int pendingBlocks() {
        return pending.size();
    }

    /** The device after a crash that kept the first so many of the blocks that it could lose. */
    public CrashMedium keepFirst(int blocks) {
        return survivor(pending.subList(0, blocks));
    }

    /** The device after a crash that kept any of the blocks that it could lose. */
    public CrashMedium keepAny(Random random) {
        return survivor(pending.stream().filter(_ -> random.nextBoolean()).toList());
    }

    /** The device after a crash that kept none, all, or several times any of these blocks. */
    public List<CrashMedium> survivors(Random random, int coins) {
        List<CrashMedium> survivors = new ArrayList<>();
        survivors.add(keepFirst(0));
        if (!pending.isEmpty()) {
            survivors.add(keepFirst(pending.size()));
            for (int i = 0; i < coins; i++) {
                survivors.add(keepAny(random));
            }
        }
        return survivors;
    }

    private CrashMedium survivor(List<Written> kept) {
        CrashMedium survivor = new CrashMedium(name, sizeBytes, blockBytes, fill, durable);
        for (Written written : kept) {
            survivor.durable.put(written.block(), written.bytes());
            survivor.now.put(written.block(), written.bytes());
        }
        return survivor;
    }

    /** Changes a byte behind the back of everyone. */
    public void damage(long offset) {
        byte[] bytes = block(offset / blockBytes).clone();
        bytes[(int) (offset % blockBytes)] ^= 0x55;
        now.put(offset / blockBytes, bytes);
        durable.put(offset / blockBytes, bytes);
    }

    private void requireWell() {
        if (broken) {
            throw ErrorCode.SR_IO_ERROR.because(name + " is broken");
        }
    }

    // ---- as a medium

    @Override
    public String name() {
        return name;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public boolean isWritable() {
        return true;
    }

    private byte[] block(long block) {
        byte[] bytes = now.get(block);
        if (bytes == null) {
            bytes = new byte[blockBytes];
            Arrays.fill(bytes, fill);
        }
        return bytes;
    }

    @Override
    public byte[] read(long offset, int length) {
        byte[] bytes = new byte[length];
        for (int done = 0; done < length; ) {
            long at = offset + done;
            int from = (int) (at % blockBytes);
            int part = Math.min(length - done, blockBytes - from);
            System.arraycopy(block(at / blockBytes), from, bytes, done, part);
            done += part;
        }
        return bytes;
    }

    @Override
    public void write(long offset, byte[] data) {
        requireWell();
        for (int done = 0; done < data.length; ) {
            long at = offset + done;
            int from = (int) (at % blockBytes);
            int part = Math.min(data.length - done, blockBytes - from);
            byte[] bytes = block(at / blockBytes).clone();
            System.arraycopy(data, done, bytes, from, part);
            put(at / blockBytes, bytes);
            done += part;
        }
        afterWrite.run();
    }

    private void put(long block, byte[] bytes) {
        now.put(block, bytes);
        pending.add(new Written(block, bytes));
    }

    @Override
    public void flush() {
        requireWell();
        pending.forEach(written -> durable.put(written.block(), written.bytes()));
        pending.clear();
        afterWrite.run();
    }

    @Override
    public void zero(long offset, long length) {
        requireWell();
        byte[] zeros = new byte[blockBytes];
        for (long done = 0; done < length; done += blockBytes) {
            put((offset + done) / blockBytes, zeros);
        }
        afterWrite.run();
    }

    @Override
    public void discard(long offset, long length) {
        byte[] junk = new byte[blockBytes];
        Arrays.fill(junk, DISCARDED);
        for (long done = 0; done < length; done += blockBytes) {
            long block = (offset + done) / blockBytes;
            pending.removeIf(written -> written.block() == block);
            durable.put(block, junk);
            now.put(block, junk);
        }
        afterWrite.run();
    }

    @Override
    public boolean canDiscard() {
        return true;
    }

    @Override
    public BlockDevice device() {
        throw new UnsupportedOperationException("no disk is opened on it");
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
