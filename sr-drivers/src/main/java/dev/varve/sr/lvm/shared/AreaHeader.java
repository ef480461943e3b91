// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;

/**
 * The first sector of the area: whose it is. It is written once, when the area is made.
 *
 * <table>
 * <caption>512 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>{@code varvarea}</td></tr>
 * <tr><td>8</td><td>4</td><td>version: 1</td></tr>
 * <tr><td>12</td><td>4</td><td>CRC-32C of the sector, this field taken as zero</td></tr>
 * <tr><td>16</td><td>16</td><td>UUID of the pool whose hosts use the repository</td></tr>
 * <tr><td>32</td><td>16</td><td>UUID of the repository</td></tr>
 * <tr><td>48</td><td>4</td><td>number of places for hosts, 1 to 64</td></tr>
 * <tr><td>52</td><td>460</td><td>zero</td></tr>
 * </table>
 *
 * @param pool the pool
 * @param sr the repository
 * @param slots how many hosts have room
 */
record AreaHeader(UUID pool, UUID sr, int slots) {
    static final String MAGIC = "varvarea";
    static final int VERSION = 1;
    private static final int CHECKSUM = 12;

    byte[] encode() {
        ByteBuffer sector = Wire.sector(MAGIC).putInt(8, VERSION).putInt(48, slots);
        Wire.putUuid(sector, 16, pool);
        Wire.putUuid(sector, 32, sr);
        return Wire.sealed(sector, CHECKSUM);
    }

    /** Nothing when this is no header, or one of another version. */
    static Optional<AreaHeader> parse(byte[] bytes) {
        ByteBuffer sector = ByteBuffer.wrap(bytes);
        if (!Wire.hasMagic(sector, MAGIC)
                || !Wire.isSealed(bytes, CHECKSUM)
                || sector.getInt(8) != VERSION) {
            return Optional.empty();
        }
        int slots = sector.getInt(48);
        if (slots < 1 || slots > ClaimArea.MOST_SLOTS) {
            return Optional.empty();
        }
        return Optional.of(new AreaHeader(Wire.uuid(sector, 16), Wire.uuid(sector, 32), slots));
    }
}
