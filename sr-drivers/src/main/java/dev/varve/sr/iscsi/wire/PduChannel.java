// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.wire;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.Crc32c;
import dev.varve.sr.iscsi.pdu.ResponseHeader;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Sends and takes whole protocol data units: header, additional headers, digest, data, padding,
 * digest (RFC 7143, 11.2). Lengths are checked before anything is taken.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class PduChannel implements AutoCloseable {
    private static final int MAX_ADDITIONAL_BYTES = 255 * Integer.BYTES;

    private final TcpSocket socket;
    private final int receiveBytes;
    private final MemorySegment received;
    private final MemorySegment headers;
    private final ResponseHeader header = new ResponseHeader();
    private final Crc32c digest = new Crc32c();
    private MemorySegment sent;
    private boolean headerDigest;
    private boolean dataDigest;

    /**
     * Over a socket, which it closes.
     *
     * @param receiveBytes how large a data segment the peer may send
     */
    public PduChannel(TcpSocket socket, int receiveBytes) {
        this.socket = socket;
        this.receiveBytes = receiveBytes;
        Arena arena = Arena.ofAuto();
        this.headers = arena.allocate(BasicHeader.BYTES + MAX_ADDITIONAL_BYTES + Crc32c.BYTES, 8);
        this.received = arena.allocate(BasicHeader.padded(receiveBytes) + Crc32c.BYTES, 8);
        this.sent = arena.allocate(BasicHeader.BYTES + 2 * Crc32c.BYTES, 8);
        header.wrap(headers, 0);
    }

    /** Says which digests follow from now on. */
    public void setDigests(boolean onHeaders, boolean onData) {
        this.headerDigest = onHeaders;
        this.dataDigest = onData;
    }

    /** The socket. */
    public TcpSocket socket() {
        return socket;
    }

    /** Where the header that {@link #receive} has taken lies. It stays until the next one. */
    public MemorySegment header() {
        return headers;
    }

    /** The data segment that {@link #receive} has taken. It stays until the next one. */
    public MemorySegment data() {
        return received.asSlice(0, header.dataSegmentBytes());
    }

    /** Takes the next one and gives a view of what all answers have in common. */
    public ResponseHeader receive(Deadline deadline) throws ConnectionLostException {
        socket.read(headers, 0, BasicHeader.BYTES, deadline);
        long length = BasicHeader.BYTES + (long) header.additionalHeaderBytes();
        long rest = length - BasicHeader.BYTES + (headerDigest ? Crc32c.BYTES : 0);
        socket.read(headers, BasicHeader.BYTES, rest, deadline);
        if (headerDigest) {
            check(headers, length, "a header");
        }
        receiveData(deadline);
        return header;
    }

    private void receiveData(Deadline deadline) throws ConnectionLostException {
        int length = header.dataSegmentBytes();
        if (length > receiveBytes) {
            throw new ConnectionLostException(
                    "the target sent %d bytes of data at once, more than the %d that it may"
                            .formatted(length, receiveBytes));
        }
        if (length == 0) {
            return;
        }
        int padded = BasicHeader.padded(length);
        socket.read(received, 0, padded + (dataDigest ? Crc32c.BYTES : 0), deadline);
        if (dataDigest) {
            check(received, padded, "data");
        }
    }

    private void check(MemorySegment memory, long length, String what)
            throws ConnectionLostException {
        if (digest.of(memory, 0, length) != Crc32c.get(memory, length)) {
            throw new ConnectionLostException("the digest of " + what + " does not fit");
        }
    }

    /** Sends a header, whose data length is set here, with so many bytes of data. */
    public void send(
            MemorySegment pdu, MemorySegment data, long offset, int length, Deadline deadline)
            throws ConnectionLostException {
        int padded = BasicHeader.padded(length);
        makeRoom(BasicHeader.BYTES + padded + 2L * Crc32c.BYTES);
        MemorySegment.copy(pdu, 0, sent, 0, BasicHeader.BYTES);
        BasicHeader view = new BasicHeader();
        view.wrap(sent, 0);
        view.setDataSegmentBytes(length);
        long at = BasicHeader.BYTES;
        if (headerDigest) {
            Crc32c.put(sent, at, digest.of(sent, 0, at));
            at += Crc32c.BYTES;
        }
        if (length > 0) {
            at = putData(data, offset, length, at);
        }
        socket.write(sent, 0, at, deadline);
    }

    /** Sends a header without data. */
    public void send(MemorySegment pdu, Deadline deadline) throws ConnectionLostException {
        send(pdu, MemorySegment.NULL, 0, 0, deadline);
    }

    private long putData(MemorySegment data, long offset, int length, long start) {
        int padded = BasicHeader.padded(length);
        MemorySegment.copy(data, offset, sent, start, length);
        for (long at = start + length; at < start + padded; at++) {
            sent.set(ValueLayout.JAVA_BYTE, at, (byte) 0);
        }
        long at = start + padded;
        if (dataDigest) {
            Crc32c.put(sent, at, digest.of(sent, start, padded));
            at += Crc32c.BYTES;
        }
        return at;
    }

    private void makeRoom(long bytes) {
        if (sent.byteSize() < bytes) {
            sent = Arena.ofAuto().allocate(bytes, 8);
        }
    }

    @Override
    public void close() {
        socket.close();
    }
}
