// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.Crc32c;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.Opcode;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.MemorySegment;

/**
 * Takes apart what a socket gives. Small units are received into a memory here; the data of large
 * ones go from the socket right to where they belong.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class SessionReader {
    /** What follows from what has come. */
    interface Handler {
        /** Whether the rest is of no interest any more. */
        boolean isBroken();

        /** Data begin: whose they are, or null when the target may not send them. */
        LunCommand dataBegin(DataIn header);

        /** Data have come in full. */
        void dataEnd(DataIn header, LunCommand command);

        /**
         * Something else has come in full.
         *
         * @param header where it is told from what memory, for all views of it
         */
        void arrived(ResponseHeader header, MemorySegment memory, long at, long dataAt);

        /** The target has said something that it may not say, or something damaged. */
        void violated(String what);
    }

    private static final int INPUT_BYTES = 64 << 10;
    private static final int PAGE_BYTES = 4096;
    private static final int DIRECT_BYTES = 8 << 10;
    private static final int LARGE_BYTES = 32 << 10;

    /** Input, and after it the header of the data that are coming. */
    private final MemorySegment memory = Libc.allocatePages(INPUT_BYTES + PAGE_BYTES);

    private final Handler handler;
    private final int headerDigestBytes;
    private final int dataDigestBytes;
    private final int mostDataBytes;
    private final Crc32c digest = new Crc32c();
    private final ResponseHeader header = new ResponseHeader();
    private final DataIn dataIn = new DataIn();
    private int start;
    private int end;

    private LunCommand command;
    private MemorySegment target;
    private long targetAt;
    private int dataBytes;
    private int dataLeft;
    private int tailBytes;
    private boolean withinData;
    private boolean direct;
    private boolean wasLarge;

    SessionReader(Negotiated negotiated, Handler handler) {
        this.handler = handler;
        headerDigestBytes = negotiated.headerDigest() ? Crc32c.BYTES : 0;
        dataDigestBytes = negotiated.dataDigest() ? Crc32c.BYTES : 0;
        mostDataBytes = negotiated.receiveBytes();
    }

    // ---- where to receive

    /** Makes up its mind where the next bytes go. */
    void prepare() {
        direct = withinData && dataLeft >= DIRECT_BYTES;
        if (!direct && start > 0) {
            MemorySegment.copy(memory, start, memory, 0, end - start);
            end -= start;
            start = 0;
        }
    }

    /** Where they go. */
    long address() {
        return direct
                ? target.address() + targetAt + (dataBytes - dataLeft)
                : memory.address() + end;
    }

    /** How many there may be: after large data no more than what comes before the next ones. */
    int room() {
        if (direct) {
            return dataLeft;
        }
        int there = end - start;
        if (wasLarge && withinData && dataLeft == 0) {
            return tailBytes - there;
        }
        int headerBytes = BasicHeader.BYTES + headerDigestBytes;
        return wasLarge && !withinData && there < headerBytes
                ? headerBytes - there
                : INPUT_BYTES - end;
    }

    /** So many have come. */
    void received(int count) {
        if (direct) {
            dataLeft -= count;
        } else {
            end += count;
        }
    }

    // ---- what it is

    /** Hands on all that is there in full. */
    void consume() {
        boolean more = true;
        while (more && !handler.isBroken()) {
            more = withinData ? takeData() : takeUnit();
        }
    }

    private boolean takeData() {
        int part = Math.min(end - start, dataLeft);
        if (part > 0) {
            MemorySegment.copy(memory, start, target, targetAt + (dataBytes - dataLeft), part);
            start += part;
            dataLeft -= part;
        }
        if (dataLeft > 0 || end - start < tailBytes) {
            return false;
        }
        if (dataDigestBytes > 0 && dataBytes > 0 && !isIntact(target, targetAt, dataBytes, start)) {
            handler.violated("data whose digest is wrong");
            return false;
        }
        start += tailBytes;
        withinData = false;
        LunCommand owner = command;
        command = null;
        target = null;
        handler.dataEnd(dataIn, owner);
        return true;
    }

    /** Whether the digest fits data and the padding that stands before it. */
    private boolean isIntact(MemorySegment data, long at, int bytes, long paddingAt) {
        int padding = BasicHeader.padded(bytes) - bytes;
        digest.reset();
        digest.update(data, at, bytes);
        digest.update(memory, paddingAt, padding);
        return digest.value() == Crc32c.get(memory, paddingAt + padding);
    }

    private boolean takeUnit() {
        int there = end - start;
        if (there < BasicHeader.BYTES) {
            return false;
        }
        header.wrap(memory, start);
        int covered = BasicHeader.BYTES + header.additionalHeaderBytes();
        if (there < covered + headerDigestBytes) {
            return false;
        }
        if (headerDigestBytes > 0
                && digest.of(memory, start, covered) != Crc32c.get(memory, start + covered)) {
            handler.violated("a header whose digest is wrong");
            return false;
        }
        int bytes = header.dataSegmentBytes();
        int tail = BasicHeader.padded(bytes) - bytes + (bytes > 0 ? dataDigestBytes : 0);
        int before = covered + headerDigestBytes;
        if (header.opcode() == Opcode.DATA_IN) {
            return beginData(before, bytes, tail);
        }
        return takeOther(before, bytes, tail);
    }

    private boolean beginData(int before, int bytes, int tail) {
        MemorySegment.copy(memory, start, memory, INPUT_BYTES, BasicHeader.BYTES);
        dataIn.wrap(memory, INPUT_BYTES);
        command = bytes > mostDataBytes ? null : handler.dataBegin(dataIn);
        if (command == null) {
            handler.violated(
                    "data that nobody has asked for: %d bytes at %d, number %d, of task %x"
                            .formatted(
                                    bytes,
                                    dataIn.bufferOffset(),
                                    dataIn.dataNumber(),
                                    dataIn.initiatorTaskTag()));
            return false;
        }
        start += before;
        target = command.data;
        targetAt = command.dataAt + dataIn.bufferOffset();
        dataBytes = bytes;
        dataLeft = bytes;
        tailBytes = tail;
        wasLarge = bytes >= LARGE_BYTES;
        withinData = true;
        return true;
    }

    private boolean takeOther(int before, int bytes, int tail) {
        int whole = before + bytes + tail;
        if (whole > INPUT_BYTES) {
            handler.violated("a unit of %d bytes that is no data".formatted(whole));
            return false;
        }
        if (end - start < whole) {
            wasLarge = false;
            return false;
        }
        long dataAt = start + (long) before;
        if (bytes > 0 && dataDigestBytes > 0 && !isIntact(memory, dataAt, bytes, dataAt + bytes)) {
            handler.violated("a data segment whose digest is wrong");
            return false;
        }
        long at = start;
        start += whole;
        handler.arrived(header, memory, at, dataAt);
        return true;
    }

    /** Gives the memory back; nothing may be received any more. */
    void close() {
        Libc.free(memory);
    }
}
