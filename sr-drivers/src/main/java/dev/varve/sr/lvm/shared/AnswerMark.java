// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * How far an owner is with the last request of one host. It lies in the place of the owner, one
 * sector for each host that may ask, and stays there when the owner ends, so that the host that
 * asked learns what has become of its request from whoever comes next.
 *
 * <table>
 * <caption>512 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>{@code varvansw}</td></tr>
 * <tr><td>8</td><td>4</td><td>version: 1</td></tr>
 * <tr><td>12</td><td>4</td><td>CRC-32C of the sector, this field taken as zero</td></tr>
 * <tr><td>16</td><td>4</td><td>1: begun; 2: done, with an answer; 3: refused, with the reason</td></tr>
 * <tr><td>20</td><td>4</td><td>where the answer begins in the room for answers, in 4 KiB</td></tr>
 * <tr><td>24</td><td>8</td><td>incarnation of the host that asks</td></tr>
 * <tr><td>32</td><td>8</td><td>number of its request</td></tr>
 * <tr><td>40</td><td>4</td><td>length of the answer in bytes</td></tr>
 * <tr><td>44</td><td>4</td><td>CRC-32C of the answer</td></tr>
 * <tr><td>48</td><td>464</td><td>zero</td></tr>
 * </table>
 *
 * @param state how far it is
 * @param block where the answer begins
 * @param asker the incarnation of the host that asks
 * @param id the number of its request
 * @param length the length of the answer in bytes
 * @param checksum that of the answer
 */
record AnswerMark(State state, int block, long asker, long id, int length, int checksum) {
    static final String MAGIC = "varvansw";
    static final int VERSION = 1;
    private static final int CHECKSUM = 12;

    /** How far a request is. */
    enum State {
        BEGUN,
        DONE,
        REFUSED
    }

    boolean answers(long incarnation, long request) {
        return asker == incarnation && id == request;
    }

    byte[] encode() {
        ByteBuffer sector =
                Wire.sector(MAGIC)
                        .putInt(8, VERSION)
                        .putInt(16, state.ordinal() + 1)
                        .putInt(20, block)
                        .putLong(24, asker)
                        .putLong(32, id)
                        .putInt(40, length)
                        .putInt(44, checksum);
        return Wire.sealed(sector, CHECKSUM);
    }

    /** Nothing when there is none. */
    static Optional<AnswerMark> parse(byte[] bytes) {
        ByteBuffer sector = ByteBuffer.wrap(bytes);
        int state = sector.getInt(16);
        if (!Wire.hasMagic(sector, MAGIC)
                || !Wire.isSealed(bytes, CHECKSUM)
                || sector.getInt(8) != VERSION
                || state < 1
                || state > State.values().length) {
            return Optional.empty();
        }
        return Optional.of(
                new AnswerMark(
                        State.values()[state - 1],
                        sector.getInt(20),
                        sector.getLong(24),
                        sector.getLong(32),
                        sector.getInt(40),
                        sector.getInt(44)));
    }
}
