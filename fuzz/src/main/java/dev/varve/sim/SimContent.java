// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The bytes of a simulated medium. Ranges that were never written take no memory; copies share what
 * neither side has changed since.
 */
public final class SimContent {
    private static final int CHUNK_BYTES = 16 << 10;

    private byte[][] chunks;
    private boolean[] owned;
    private long sizeBytes;

    /** A medium of zeros. */
    public SimContent(long sizeBytes) {
        this.sizeBytes = sizeBytes;
        chunks = new byte[chunkCount(sizeBytes)][];
        owned = new boolean[chunks.length];
    }

    private SimContent(SimContent other) {
        sizeBytes = other.sizeBytes;
        chunks = other.chunks.clone();
        owned = new boolean[chunks.length];
        Arrays.fill(other.owned, false);
    }

    private static int chunkCount(long bytes) {
        return (int) ((bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    }

    /** The same bytes once more; both can be changed without the other noticing. */
    public SimContent copy() {
        return new SimContent(this);
    }

    /** How large it is. */
    public long sizeBytes() {
        return sizeBytes;
    }

    /** Changes the size: what is cut off is gone, what is added is zero. */
    public void resize(long newSizeBytes) {
        if (newSizeBytes < sizeBytes) {
            zero(newSizeBytes, sizeBytes - newSizeBytes);
        }
        int count = chunkCount(newSizeBytes);
        chunks = Arrays.copyOf(chunks, count);
        owned = Arrays.copyOf(owned, count);
        sizeBytes = newSizeBytes;
    }

    /** Has the same bytes as another one from now on. */
    void become(SimContent other) {
        SimContent same = other.copy();
        sizeBytes = same.sizeBytes;
        chunks = same.chunks;
        owned = same.owned;
    }

    /** Takes over a range of another one, as far as that goes. */
    void copyFrom(SimContent other, long from, long to) {
        long end = Math.min(to, other.sizeBytes);
        for (long at = from; at < end; at += CHUNK_BYTES) {
            int length = (int) Math.min(CHUNK_BYTES, end - at);
            write(at, other.read(at, length), 0, length);
        }
    }

    /** Writes; what lies behind the end is dropped. */
    public void write(long offset, byte[] data, int from, int length) {
        long end = Math.min(offset + length, sizeBytes);
        int source = from;
        for (long at = offset; at < end; ) {
            int within = (int) (at % CHUNK_BYTES);
            int count = (int) Math.min(CHUNK_BYTES - within, end - at);
            System.arraycopy(data, source, chunkForWrite((int) (at / CHUNK_BYTES)), within, count);
            at += count;
            source += count;
        }
    }

    private byte[] chunkForWrite(int index) {
        if (chunks[index] == null) {
            chunks[index] = new byte[CHUNK_BYTES];
        } else if (!owned[index]) {
            chunks[index] = chunks[index].clone();
        }
        owned[index] = true;
        return chunks[index];
    }

    /** Makes a range zero; what lies behind the end is not there anyway. */
    public void zero(long offset, long length) {
        long end = Math.min(offset + length, sizeBytes);
        for (long at = offset; at < end; ) {
            int index = (int) (at / CHUNK_BYTES);
            int within = (int) (at % CHUNK_BYTES);
            int count = (int) Math.min(CHUNK_BYTES - within, end - at);
            if (count == CHUNK_BYTES) {
                chunks[index] = null;
                owned[index] = false;
            } else if (chunks[index] != null) {
                Arrays.fill(chunkForWrite(index), within, within + count, (byte) 0);
            }
            at += count;
        }
    }

    /** Reads into native memory. */
    public void read(long offset, MemorySegment target, long targetOffset, long length) {
        for (long done = 0; done < length; ) {
            long at = offset + done;
            byte[] chunk = chunks[(int) (at / CHUNK_BYTES)];
            int within = (int) (at % CHUNK_BYTES);
            int count = (int) Math.min(CHUNK_BYTES - within, length - done);
            if (chunk == null) {
                target.asSlice(targetOffset + done, count).fill((byte) 0);
            } else {
                MemorySegment.copy(
                        chunk, within, target, ValueLayout.JAVA_BYTE, targetOffset + done, count);
            }
            done += count;
        }
    }

    /** Reads; what lies behind the end is zero. */
    public byte[] read(long offset, int length) {
        byte[] data = new byte[length];
        int there = (int) Math.max(0, Math.min(length, sizeBytes - offset));
        read(offset, MemorySegment.ofArray(data), 0, there);
        return data;
    }

    /** Whether a range reads as zero. */
    public boolean isZero(long offset, long length) {
        for (long at = offset; at < offset + length; ) {
            byte[] chunk = chunks[(int) (at / CHUNK_BYTES)];
            int within = (int) (at % CHUNK_BYTES);
            int count = (int) Math.min(CHUNK_BYTES - within, offset + length - at);
            for (int i = within; chunk != null && i < within + count; i++) {
                if (chunk[i] != 0) {
                    return false;
                }
            }
            at += count;
        }
        return true;
    }
}
