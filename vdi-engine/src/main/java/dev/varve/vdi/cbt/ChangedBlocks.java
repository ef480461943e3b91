// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.Invariant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Base64;

/**
 * A set of blocks of 64 KiB of a disk.
 *
 * <p>On storage a block is a bit, the first one in the lowest bit of the first byte. Clients get
 * the bytes with their bits the other way round: the first block in the highest bit.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class ChangedBlocks {
    /** How large a block is. */
    public static final int BLOCK_BYTES = 64 << 10;

    static final int BLOCK_SHIFT = 16;

    private static final int WORD_SHIFT = 6;

    private final long sizeBytes;
    private final long blocks;
    private final long[] words;

    /** No block of a disk of this size. */
    public ChangedBlocks(long sizeBytes) {
        this(sizeBytes, new long[words(sizeBytes)]);
    }

    /**
     * Takes words over, not copies.
     *
     * @param words one bit for each block, from the lowest bit of the first word on
     */
    ChangedBlocks(long sizeBytes, long[] words) {
        this.sizeBytes = sizeBytes;
        this.blocks = blocks(sizeBytes);
        this.words = words;
        Invariant.check(words.length == words(sizeBytes), "there is a bit for each block");
        clearBehindEnd();
    }

    private void clearBehindEnd() {
        if (blocks % Long.SIZE != 0) {
            words[words.length - 1] &= (1L << blocks) - 1;
        }
    }

    /** How many blocks a disk has; the last one may be smaller than the others. */
    static long blocks(long sizeBytes) {
        return (sizeBytes + BLOCK_BYTES - 1) >>> BLOCK_SHIFT;
    }

    static int words(long sizeBytes) {
        return Math.toIntExact((blocks(sizeBytes) + Long.SIZE - 1) >>> WORD_SHIFT);
    }

    /** The bitmap of a disk in bytes. */
    static long bitmapBytes(long sizeBytes) {
        return (blocks(sizeBytes) + 7) >>> 3;
    }

    /** The size of the disk. */
    public long sizeBytes() {
        return sizeBytes;
    }

    long[] words() {
        return words;
    }

    /** Whether a block is in the set. */
    public boolean contains(long block) {
        return (words[(int) (block >>> WORD_SHIFT)] >>> block & 1) != 0;
    }

    /** How many blocks are in the set. */
    public long count() {
        return Arrays.stream(words).map(Long::bitCount).sum();
    }

    /** Adds every block that a range touches; what is behind the end of the disk is left out. */
    public void add(long offset, long length) {
        long first = offset >>> BLOCK_SHIFT;
        long last = Math.min(blocks, blocks(Math.min(offset + length, sizeBytes))) - 1;
        if (length <= 0 || first > last) {
            return;
        }
        int firstWord = (int) (first >>> WORD_SHIFT);
        int lastWord = (int) (last >>> WORD_SHIFT);
        for (int word = firstWord; word <= lastWord; word++) {
            words[word] |= mask(word, first, last);
        }
    }

    /** The bits of a word that belong to the blocks from the first to the last. */
    static long mask(int word, long first, long last) {
        long start = (long) word << WORD_SHIFT;
        long mask = first > start ? -1L << first : -1L;
        return last < start + Long.SIZE - 1
                ? mask & -1L >>> (Long.SIZE - 1 - (last - start))
                : mask;
    }

    /** Adds all blocks from an offset to the end of the disk. */
    public void addFrom(long offset) {
        add(offset, sizeBytes - offset);
    }

    /** Adds the blocks of another set as far as this disk goes. */
    public void addAll(ChangedBlocks other) {
        int common = Math.min(words.length, other.words.length);
        for (int i = 0; i < common; i++) {
            words[i] |= other.words[i];
        }
        if (common > 0) {
            clearBehindEnd();
        }
    }

    /** The same blocks for a disk of another size. */
    ChangedBlocks resized(long newSizeBytes) {
        return new ChangedBlocks(newSizeBytes, Arrays.copyOf(words, words(newSizeBytes)));
    }

    /**
     * How far, from an offset on, all blocks are in the set or all are not, in bytes; it goes to
     * the end of the disk at the most.
     */
    public long run(long offset) {
        boolean here = contains(offset >>> BLOCK_SHIFT);
        long block = (offset >>> BLOCK_SHIFT) + 1;
        long whole = here ? -1L : 0;
        while (block < blocks) {
            if (block % Long.SIZE == 0 && words[(int) (block >>> WORD_SHIFT)] == whole) {
                block += Long.SIZE;
            } else if (contains(block) == here) {
                block++;
            } else {
                break;
            }
        }
        return Math.min(block << BLOCK_SHIFT, sizeBytes) - offset;
    }

    /** The bitmap as it is on storage. */
    public byte[] toLogBytes() {
        ByteBuffer out =
                ByteBuffer.allocate(words.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        out.asLongBuffer().put(words);
        return Arrays.copyOf(out.array(), Math.toIntExact(bitmapBytes(sizeBytes)));
    }

    /** The set that a bitmap on storage stands for; bits behind the last block mean nothing. */
    public static ChangedBlocks ofLogBytes(long sizeBytes, byte[] bitmap) {
        byte[] whole = Arrays.copyOf(bitmap, words(sizeBytes) * Long.BYTES);
        long[] words = new long[words(sizeBytes)];
        ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().get(words);
        return new ChangedBlocks(sizeBytes, words);
    }

    /**
     * The bitmap as clients get it: base64, the first block in the highest bit of the first byte.
     */
    public String toBase64() {
        byte[] bytes = toLogBytes();
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (Integer.reverse(bytes[i]) >>> 24);
        }
        return Base64.getEncoder().encodeToString(bytes);
    }
}
