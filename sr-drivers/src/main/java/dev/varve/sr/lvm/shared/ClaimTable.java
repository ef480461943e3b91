// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.spi.Claims.Mode;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The claims of one host, and the hosts that it has put out. Each host has room for two copies: it
 * writes the one that does not count, and then the sector that says which one counts, {@link
 * HostRecord}. So a table is never seen half written.
 *
 * <table>
 * <caption>64 bytes and 32 for each entry, at most 64 KiB, big-endian; claims come first</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>{@code varvclms}</td></tr>
 * <tr><td>8</td><td>8</td><td>generation: that of the sector that names it</td></tr>
 * <tr><td>16</td><td>4</td><td>number of claims</td></tr>
 * <tr><td>20</td><td>4</td><td>number of removals</td></tr>
 * <tr><td>24</td><td>4</td><td>CRC-32C of all of it, this field taken as zero</td></tr>
 * <tr><td>28</td><td>36</td><td>zero</td></tr>
 * <tr><td>64</td><td>32</td><td>each entry</td></tr>
 * </table>
 *
 * <table>
 * <caption>A claim</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>1: a claim</td></tr>
 * <tr><td>1</td><td>1</td><td>1: for reading; 2: for writing</td></tr>
 * <tr><td>2</td><td>1</td><td>1: asked for, and excluding others already; 2: had</td></tr>
 * <tr><td>3</td><td>5</td><td>zero</td></tr>
 * <tr><td>8</td><td>16</td><td>UUID of the disk; zero: all disks</td></tr>
 * <tr><td>24</td><td>8</td><td>epoch</td></tr>
 * </table>
 *
 * <table>
 * <caption>A removal</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>2: a removal</td></tr>
 * <tr><td>1</td><td>1</td><td>1: announced; 2: certain</td></tr>
 * <tr><td>2</td><td>2</td><td>zero</td></tr>
 * <tr><td>4</td><td>4</td><td>the place of the host that is out</td></tr>
 * <tr><td>8</td><td>8</td><td>its incarnation; another one in that place is not out</td></tr>
 * <tr><td>16</td><td>16</td><td>zero</td></tr>
 * </table>
 *
 * @param generation which table it is
 * @param claims the claims
 * @param removals the hosts that are out
 */
record ClaimTable(long generation, List<Entry> claims, List<Removal> removals) {
    static final String MAGIC = "varvclms";
    static final int BYTES = 64 * 1024;
    static final int MOST_ENTRIES = (BYTES - 64) / 32;

    /** All disks at once. */
    static final UUID ALL = new UUID(0, 0);

    private static final int HEAD = 64;
    private static final int ENTRY = 32;
    private static final int CHECKSUM = 24;

    /** A claim, asked for or had. */
    record Entry(UUID vdi, Mode mode, boolean had, long epoch) {
        /** Whether a claim of another host in this mode cannot be beside this one. */
        boolean excludes(UUID other, Mode otherMode) {
            boolean both = vdi.equals(other) || vdi.equals(ALL) || other.equals(ALL);
            return both && (mode == Mode.WRITE || otherMode == Mode.WRITE);
        }
    }

    /** A host that is out, or will be when it does not speak up. */
    record Removal(int slot, long incarnation, boolean certain) {}

    byte[] encode() {
        int entries = claims.size() + removals.size();
        ByteBuffer table = ByteBuffer.allocate(HEAD + ENTRY * entries);
        table.put(Wire.sector(MAGIC).array(), 0, MAGIC.length())
                .putLong(generation)
                .putInt(claims.size())
                .putInt(removals.size())
                .position(HEAD);
        for (Entry each : claims) {
            table.put((byte) 1)
                    .put((byte) (each.mode() == Mode.READ ? 1 : 2))
                    .put((byte) (each.had() ? 2 : 1))
                    .put(new byte[5])
                    .putLong(each.vdi().getMostSignificantBits())
                    .putLong(each.vdi().getLeastSignificantBits())
                    .putLong(each.epoch());
        }
        for (Removal each : removals) {
            table.put((byte) 2)
                    .put((byte) (each.certain() ? 2 : 1))
                    .putShort((short) 0)
                    .putInt(each.slot())
                    .putLong(each.incarnation())
                    .put(new byte[16]);
        }
        return Wire.sealed(table, CHECKSUM);
    }

    /** How many bytes a table with so many entries has. */
    static int length(int entries) {
        return HEAD + ENTRY * entries;
    }

    /** How many entries the table has that begins with these bytes; nothing when it is none. */
    static Optional<Integer> entries(byte[] head) {
        ByteBuffer buffer = ByteBuffer.wrap(head);
        int claims = buffer.getInt(16);
        int removals = buffer.getInt(20);
        boolean good =
                Wire.hasMagic(buffer, MAGIC)
                        && claims >= 0
                        && removals >= 0
                        && claims <= MOST_ENTRIES
                        && removals <= MOST_ENTRIES - claims;
        return good ? Optional.of(claims + removals) : Optional.empty();
    }

    /** Nothing when it is damaged, or just being written. */
    static Optional<ClaimTable> parse(byte[] bytes) {
        if (!Wire.isSealed(bytes, CHECKSUM)) {
            return Optional.empty();
        }
        ByteBuffer table = ByteBuffer.wrap(bytes);
        int claimCount = table.getInt(16);
        int removalCount = table.getInt(20);
        List<Entry> claims = new ArrayList<>();
        List<Removal> removals = new ArrayList<>();
        for (int i = 0; i < claimCount; i++) {
            claims.add(entry(table, HEAD + i * ENTRY));
        }
        for (int i = claimCount; i < claimCount + removalCount; i++) {
            int at = HEAD + i * ENTRY;
            removals.add(
                    new Removal(
                            table.getInt(at + 4), table.getLong(at + 8), table.get(at + 1) == 2));
        }
        return Optional.of(new ClaimTable(table.getLong(8), claims, removals));
    }

    private static Entry entry(ByteBuffer table, int at) {
        return new Entry(
                Wire.uuid(table, at + 8),
                table.get(at + 1) == 1 ? Mode.READ : Mode.WRITE,
                table.get(at + 2) == 2,
                table.getLong(at + 24));
    }
}
