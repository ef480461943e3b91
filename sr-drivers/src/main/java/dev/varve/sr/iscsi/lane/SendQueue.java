// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.Crc32c;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What waits to be sent on a socket, in order: headers that lie here, and data that stay where they
 * are until they have left. As much as possible leaves in one system call.
 *
 * <p>The memory of a command may be given up only when {@link LunCommand#queued} is 0.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class SendQueue {
    /** How many units there is room for. */
    static final int SLOTS = 256;

    /** Header 48, its digest 4, padding up to 3 and the digest of the data 4. */
    private static final int SLOT_BYTES = 64;

    private static final int TAIL_AT = BasicHeader.BYTES + Crc32c.BYTES;
    private static final int MESSAGE_HEADER_BYTES = 56;
    private static final int VECTOR_BYTES = 16;
    private static final int MOST_UNITS_AT_ONCE = 64;
    private static final int MESSAGE_AT = SLOTS * SLOT_BYTES;
    private static final int MEMORY_BYTES = MESSAGE_AT + 4096;

    private final MemorySegment memory = Libc.allocatePages(MEMORY_BYTES);
    private final Crc32c digest = new Crc32c();
    private final boolean headerDigest;
    private final boolean dataDigest;
    private final LunCommand[] owners = new LunCommand[SLOTS];
    private final long[] dataAddress = new long[SLOTS];
    private final int[] dataBytes = new int[SLOTS];
    private final int[] tailBytes = new int[SLOTS];
    private int first;
    private int count;

    /** How much of the first unit has left. */
    private long leftOfFirst;

    private int vectors;

    SendQueue(boolean headerDigest, boolean dataDigest) {
        this.headerDigest = headerDigest;
        this.dataDigest = dataDigest;
    }

    /** How many more units there is room for. */
    int room() {
        return SLOTS - count;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Where headers lie. */
    MemorySegment memory() {
        return memory;
    }

    /** Where the header of the next unit has to be written. */
    long nextHeaderAt() {
        return (long) index(count) * SLOT_BYTES;
    }

    private int index(int position) {
        return first + position & SLOTS - 1;
    }

    /**
     * Takes the unit whose header is written.
     *
     * @param owner whose memory the data are, or null
     * @param bytes how many bytes of data go with it, as the header says
     */
    void add(LunCommand owner, MemorySegment data, long at, int bytes) {
        int slot = index(count);
        long header = (long) slot * SLOT_BYTES;
        if (headerDigest) {
            int value = digest.of(memory, header, BasicHeader.BYTES);
            Crc32c.put(memory, header + BasicHeader.BYTES, value);
        }
        owners[slot] = owner;
        dataBytes[slot] = bytes;
        tailBytes[slot] = 0;
        if (bytes > 0) {
            dataAddress[slot] = data.address() + at;
            tailBytes[slot] = tail(header + TAIL_AT, data, at, bytes);
        }
        if (owner != null) {
            owner.queued++;
        }
        count++;
    }

    private int tail(long tailAt, MemorySegment data, long at, int bytes) {
        int padding = BasicHeader.padded(bytes) - bytes;
        memory.set(ValueLayout.JAVA_INT_UNALIGNED, tailAt, 0);
        if (!dataDigest) {
            return padding;
        }
        digest.reset();
        digest.update(data, at, bytes);
        digest.update(memory, tailAt, padding);
        Crc32c.put(memory, tailAt + padding, digest.value());
        return padding + Crc32c.BYTES;
    }

    private int headerBytes() {
        return headerDigest ? TAIL_AT : BasicHeader.BYTES;
    }

    /**
     * Sends what the socket takes.
     *
     * @param drained told of each command that is over and none of whose units are left
     * @return how many bytes the socket has taken, or {@code -errno}
     */
    long send(int fd, LaneSession drained) {
        fillVectors();
        long sent =
                Libc.sendmsg(
                        fd, memory.address() + MESSAGE_AT, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        if (sent > 0) {
            left(sent, drained);
        }
        return sent;
    }

    /** Vectors lie at 16 of a {@code struct msghdr}, their number at 24; one is address, length. */
    private void fillVectors() {
        vectors = 0;
        long skip = leftOfFirst;
        int units = Math.min(count, MOST_UNITS_AT_ONCE);
        for (int i = 0; i < units; i++) {
            int slot = index(i);
            long header = memory.address() + (long) slot * SLOT_BYTES;
            skip = addVector(header, headerBytes(), skip);
            skip = addVector(dataAddress[slot], dataBytes[slot], skip);
            skip = addVector(header + TAIL_AT, tailBytes[slot], skip);
        }
        long start = MESSAGE_AT + (long) MESSAGE_HEADER_BYTES;
        memory.set(ValueLayout.JAVA_LONG, MESSAGE_AT + 16L, memory.address() + start);
        memory.set(ValueLayout.JAVA_LONG, MESSAGE_AT + 24L, vectors);
    }

    /** Adds what is left of a piece after so many bytes of it and what is before it are gone. */
    private long addVector(long address, int bytes, long skip) {
        if (skip >= bytes) {
            return skip - bytes;
        }
        long at = MESSAGE_AT + MESSAGE_HEADER_BYTES + (long) vectors * VECTOR_BYTES;
        memory.set(ValueLayout.JAVA_LONG, at, address + skip);
        memory.set(ValueLayout.JAVA_LONG, at + 8, bytes - skip);
        vectors++;
        return 0;
    }

    private void left(long sent, LaneSession drained) {
        long rest = sent + leftOfFirst;
        while (count > 0) {
            long unit = headerBytes() + (long) dataBytes[first] + tailBytes[first];
            if (rest < unit) {
                break;
            }
            rest -= unit;
            LunCommand owner = removeFirst();
            if (owner != null && owner.over && owner.queued == 0) {
                drained.drained(owner);
            }
        }
        leftOfFirst = rest;
    }

    private LunCommand removeFirst() {
        LunCommand owner = owners[first];
        owners[first] = null;
        first = index(1);
        count--;
        if (owner != null) {
            owner.queued--;
        }
        return owner;
    }

    /** Forgets everything. */
    void drop() {
        while (count > 0) {
            removeFirst();
        }
        leftOfFirst = 0;
    }

    /** Gives the memory back. */
    void close() {
        Libc.free(memory);
    }
}
