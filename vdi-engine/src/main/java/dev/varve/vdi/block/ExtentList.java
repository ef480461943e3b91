// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/**
 * Which parts of a range hold data, as runs without gaps from the start of the range on. It holds a
 * bounded number of runs; what does not fit is cut off, and the answer covers less than was asked.
 */
public final class ExtentList {
    private final long[] lengths;
    private final boolean[] data;
    private int limit;
    private int count;
    private boolean full;

    /** A list for at most so many runs. */
    public ExtentList(int capacity) {
        lengths = new long[capacity];
        data = new boolean[capacity];
        limit = capacity;
    }

    /** Forgets all runs and takes at most so many from now on. */
    public void clear(int runs) {
        limit = Math.min(runs, lengths.length);
        clear();
    }

    /** Forgets all runs. */
    public void clear() {
        count = 0;
        full = false;
    }

    /** Adds a run; one of the same kind as the last is joined to it. */
    public void add(long lengthBytes, boolean isData) {
        if (full || lengthBytes == 0) {
            return;
        }
        if (count > 0 && data[count - 1] == isData) {
            lengths[count - 1] += lengthBytes;
        } else if (count == limit) {
            full = true;
        } else {
            lengths[count] = lengthBytes;
            data[count] = isData;
            count++;
        }
    }

    /** Whether a run was cut off. */
    public boolean isFull() {
        return full;
    }

    /** How many runs there are. */
    public int count() {
        return count;
    }

    /** The length of a run in bytes. */
    public long length(int index) {
        return lengths[index];
    }

    /** Whether a run holds data; if not, it reads as zero. */
    public boolean isData(int index) {
        return data[index];
    }
}
