// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.vdi.block.BlockDevice;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * A disk in memory that is full of the data of somebody else at first, and of which a crash keeps
 * any of the blocks that were written since the last flush. What is discarded is lost at once,
 * whatever happens afterwards: that is the worst that a disk may do.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class CrashDisk implements BlockMedium {
    /** What was on the disk before. */
    static final byte OTHERS = (byte) 0xaa;

    private static final byte DISCARDED = (byte) 0xdd;

    private record Written(long block, byte[] bytes) {}

    private final long sizeBytes;
    private final int blockBytes;
    private final Map<Long, byte[]> durable;
    private final Map<Long, byte[]> now;
    private final List<Written> pending = new ArrayList<>();
    private Runnable afterWrite = () -> {};

    CrashDisk(long sizeBytes, int blockBytes) {
        this(sizeBytes, blockBytes, Map.of());
    }

    private CrashDisk(long sizeBytes, int blockBytes, Map<Long, byte[]> contents) {
        this.sizeBytes = sizeBytes;
        this.blockBytes = blockBytes;
        this.durable = new HashMap<>(contents);
        this.now = new HashMap<>(contents);
    }

    /** The same disk, as it is now, for somebody else. */
    CrashDisk copy() {
        return new CrashDisk(sizeBytes, blockBytes, now);
    }

    /** What is to happen after each write and each flush. */
    void afterWrite(Runnable action) {
        afterWrite = action;
    }

    /** The disk after a crash that kept none, all or any of what it could lose. */
    List<CrashDisk> survivors(Random random, int coins) {
        List<CrashDisk> survivors = new ArrayList<>();
        survivors.add(survivor(List.of()));
        if (!pending.isEmpty()) {
            survivors.add(survivor(pending));
            for (int i = 0; i < coins; i++) {
                survivors.add(
                        survivor(pending.stream().filter(w -> random.nextBoolean()).toList()));
            }
        }
        return survivors;
    }

    private CrashDisk survivor(List<Written> kept) {
        CrashDisk survivor = new CrashDisk(sizeBytes, blockBytes, durable);
        for (Written written : kept) {
            survivor.durable.put(written.block(), written.bytes());
            survivor.now.put(written.block(), written.bytes());
        }
        return survivor;
    }

    @Override
    public String name() {
        return "the disk";
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
            Arrays.fill(bytes, OTHERS);
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
        pending.forEach(written -> durable.put(written.block(), written.bytes()));
        pending.clear();
        afterWrite.run();
    }

    @Override
    public void zero(long offset, long length) {
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
