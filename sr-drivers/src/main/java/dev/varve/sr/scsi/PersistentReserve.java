// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Data of PERSISTENT RESERVE IN and OUT (SPC-4, 6.15 and 6.16).
 *
 * <table>
 * <caption>Parameter list of OUT, 24 bytes, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>key of this nexus</td></tr>
 * <tr><td>8</td><td>8</td><td>key to register, or to take away</td></tr>
 * <tr><td>20</td><td>1</td><td>bit 0: keep through a loss of power (APTPL)</td></tr>
 * </table>
 *
 * <table>
 * <caption>Answers of IN, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>READ KEYS</th><th>READ RESERVATION</th></tr>
 * <tr><td>0</td><td>4</td><td>generation</td><td>generation</td></tr>
 * <tr><td>4</td><td>4</td><td>bytes that follow</td><td>bytes that follow: 0 or 16</td></tr>
 * <tr><td>8</td><td>8</td><td>keys, eight bytes each</td><td>key of the holder</td></tr>
 * <tr><td>21</td><td>1</td><td></td><td>low 4 bits: type</td></tr>
 * </table>
 */
public final class PersistentReserve {
    public static final int READ_KEYS = 0;
    public static final int READ_RESERVATION = 1;

    public static final int REGISTER = 0;
    public static final int RESERVE = 1;
    public static final int RELEASE = 2;
    public static final int CLEAR = 3;
    public static final int PREEMPT = 4;
    public static final int PREEMPT_AND_ABORT = 5;
    public static final int REGISTER_AND_IGNORE_KEY = 6;

    /** The size of the parameter list of OUT. */
    public static final int PARAMETER_BYTES = 24;

    /** How much to ask for with IN, in bytes: enough for 1023 keys. */
    public static final int ROOM = 8192;

    private static final int HEADER_BYTES = 8;

    /**
     * Who holds a reservation.
     *
     * @param key the key of the holder; 0 when all that are registered hold it
     * @param type the kind of reservation
     */
    public record Holder(long key, int type) {}

    private PersistentReserve() {}

    /** The parameter list of OUT. */
    public static byte[] parameters(long ownKey, long otherKey) {
        return ByteBuffer.allocate(PARAMETER_BYTES).putLong(ownKey).putLong(otherKey).array();
    }

    /** The keys that are registered. A list that was cut is refused. */
    public static List<Long> keys(byte[] data) throws ScsiDataException {
        ScsiBytes bytes = new ScsiBytes(data, "READ KEYS data");
        bytes.require(HEADER_BYTES);
        long length = bytes.intAt(4);
        if (length % Long.BYTES != 0 || length > bytes.length() - HEADER_BYTES) {
            throw new ScsiDataException("READ KEYS data tells of %d bytes".formatted(length));
        }
        List<Long> keys = new ArrayList<>();
        for (int at = HEADER_BYTES; at < HEADER_BYTES + length; at += Long.BYTES) {
            keys.add(bytes.longAt(at));
        }
        return keys;
    }

    /** The reservation, where there is one. */
    public static Optional<Holder> holder(byte[] data) throws ScsiDataException {
        ScsiBytes bytes = new ScsiBytes(data, "READ RESERVATION data");
        bytes.require(HEADER_BYTES);
        if (bytes.intAt(4) == 0) {
            return Optional.empty();
        }
        return Optional.of(new Holder(bytes.longAt(8), bytes.byteAt(21) & 0xF));
    }
}
