// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.UUID;

/**
 * The start of a log of changed blocks, as blktap's {@code log} driver and {@code cbt-util} write
 * it; the bitmap follows. Numbers are in the byte order of the machine that wrote them, which is
 * little-endian on all that have it.
 *
 * <table>
 * <caption>48 bytes</caption>
 * <tr><th>offset</th><th>bytes</th><th>what</th></tr>
 * <tr><td>0</td><td>16</td><td>UUID of the snapshot that the interval begins with, in the order in
 * which it is written down; zero when there is none</td></tr>
 * <tr><td>16</td><td>16</td><td>UUID of the disk or snapshot whose interval comes after this one;
 * zero when there is none</td></tr>
 * <tr><td>32</td><td>4</td><td>1 when the log is complete, 0 while a disk that writes is
 * tracked</td></tr>
 * <tr><td>36</td><td>4</td><td>padding. Varve puts {@code VRVA} here while it tracks, and zero
 * afterwards: see {@link #ahead}</td></tr>
 * <tr><td>40</td><td>8</td><td>size of the disk in bytes</td></tr>
 * </table>
 *
 * @param parent the snapshot that the interval begins with
 * @param child whose interval comes next
 * @param consistent whether the log is complete and nobody is writing it
 * @param ahead whether the log is never behind the disk although it is not consistent: the program
 *     that writes it makes each bit durable before the change can be seen
 * @param sizeBytes the size of the disk
 */
public record ChangeLogHeader(
        Optional<UUID> parent,
        Optional<UUID> child,
        boolean consistent,
        boolean ahead,
        long sizeBytes) {
    /** How long it is. */
    public static final int BYTES = 48;

    /** No disk with a log is larger: the bitmap has to fit into memory. */
    public static final long LARGEST_DISK_BYTES = 1L << 49;

    private static final int CONSISTENT_AT = 32;
    private static final int PADDING_AT = 36;
    private static final int SIZE_AT = 40;

    /** {@code VRVA} as it is found on storage. */
    private static final int AHEAD = 0x41565256;

    private static final UUID NONE = new UUID(0, 0);

    /** A log that is complete has no need to be ahead. */
    public ChangeLogHeader {
        if (consistent && ahead) {
            throw new IllegalArgumentException("a complete log is not ahead of anything");
        }
    }

    /** The log of a disk that nobody writes now. */
    static ChangeLogHeader complete(Optional<UUID> parent, Optional<UUID> child, long sizeBytes) {
        return new ChangeLogHeader(parent, child, true, false, sizeBytes);
    }

    /**
     * Whether what the bitmap does not name is unchanged. If not, everything has to be taken for
     * changed.
     */
    public boolean isTrusted() {
        return consistent || ahead;
    }

    ChangeLogHeader withParent(Optional<UUID> newParent) {
        return new ChangeLogHeader(newParent, child, consistent, ahead, sizeBytes);
    }

    ChangeLogHeader withChild(Optional<UUID> newChild) {
        return new ChangeLogHeader(parent, newChild, consistent, ahead, sizeBytes);
    }

    ChangeLogHeader withSize(long newSizeBytes) {
        return new ChangeLogHeader(parent, child, consistent, ahead, newSizeBytes);
    }

    /** Nobody writes the disk any more. */
    ChangeLogHeader completed() {
        return new ChangeLogHeader(parent, child, true, false, sizeBytes);
    }

    /** The disk is going to be written, with the log ahead of it. */
    ChangeLogHeader leading() {
        return new ChangeLogHeader(parent, child, false, true, sizeBytes);
    }

    /** The disk is going to be written without the log. */
    ChangeLogHeader givenUp() {
        return new ChangeLogHeader(parent, child, false, false, sizeBytes);
    }

    /**
     * Reads a header.
     *
     * @throws StorageException VDI_LOAD when it is not one
     */
    public static ChangeLogHeader parse(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.length < BYTES) {
            throw damaged("it ends after " + bytes.length + " bytes");
        }
        int consistent = in.getInt(CONSISTENT_AT);
        long size = in.getLong(SIZE_AT);
        if (consistent != 0 && consistent != 1) {
            throw damaged("its mark of consistency is " + consistent);
        }
        if (size <= 0 || size > LARGEST_DISK_BYTES) {
            throw damaged("it says that the disk has " + size + " bytes");
        }
        boolean ahead = consistent == 0 && in.getInt(PADDING_AT) == AHEAD;
        return new ChangeLogHeader(uuid(bytes, 0), uuid(bytes, 16), consistent == 1, ahead, size);
    }

    private static StorageException damaged(String how) {
        return ErrorCode.VDI_LOAD.because(
                "the header of a log of changed blocks is damaged: " + how);
    }

    private static Optional<UUID> uuid(byte[] bytes, int at) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        return Optional.of(new UUID(in.getLong(at), in.getLong(at + 8)))
                .filter(uuid -> !uuid.equals(NONE));
    }

    /** The header as it is on storage. */
    public byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(BYTES);
        put(out, parent);
        put(out, child);
        out.order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(consistent ? 1 : 0);
        out.putInt(ahead ? AHEAD : 0);
        out.putLong(sizeBytes);
        return out.array();
    }

    private static void put(ByteBuffer out, Optional<UUID> uuid) {
        UUID value = uuid.orElse(NONE);
        out.putLong(value.getMostSignificantBits()).putLong(value.getLeastSignificantBits());
    }
}
