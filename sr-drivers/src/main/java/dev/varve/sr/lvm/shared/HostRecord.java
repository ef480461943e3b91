// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.host.Holder;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;

/**
 * What a host says of itself, in a sector that only it writes. Being one sector it is written whole
 * or not at all, and everything else in the place of the host counts only as far as this sector
 * names it.
 *
 * <table>
 * <caption>512 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>{@code varvhost}</td></tr>
 * <tr><td>8</td><td>4</td><td>version: 1</td></tr>
 * <tr><td>12</td><td>4</td><td>CRC-32C of the sector, this field taken as zero</td></tr>
 * <tr><td>16</td><td>16</td><td>UUID of the repository</td></tr>
 * <tr><td>32</td><td>16</td><td>UUID of the host that has or had the place</td></tr>
 * <tr><td>48</td><td>8</td><td>incarnation: a random number for each time the place is taken</td></tr>
 * <tr><td>56</td><td>8</td><td>beat: changes as long as the host lives</td></tr>
 * <tr><td>64</td><td>1</td><td>0: the place is free; 1: it is taken</td></tr>
 * <tr><td>65</td><td>1</td><td>which copy of {@link ClaimTable} counts: 0 or 1</td></tr>
 * <tr><td>66</td><td>2</td><td>zero</td></tr>
 * <tr><td>68</td><td>4</td><td>number of claims in the table; 0: those in it do not count</td></tr>
 * <tr><td>72</td><td>4</td><td>number of removals in the table</td></tr>
 * <tr><td>76</td><td>4</td><td>zero</td></tr>
 * <tr><td>80</td><td>8</td><td>generation of the table; 0: there is none</td></tr>
 * <tr><td>88</td><td>8</td><td>the last epoch that was given out from this place</td></tr>
 * <tr><td>96</td><td>8</td><td>the key of the host's persistent reservation; 0: none</td></tr>
 * <tr><td>104</td><td>8</td><td>number of the request to the owner; 0: none</td></tr>
 * <tr><td>112</td><td>8</td><td>incarnation of the owner that is asked; 0: nobody now</td></tr>
 * <tr><td>120</td><td>4</td><td>length of the request in bytes</td></tr>
 * <tr><td>124</td><td>4</td><td>CRC-32C of the request</td></tr>
 * <tr><td>128</td><td>8</td><td>number of the last request whose answer is not needed any more</td></tr>
 * <tr><td>136</td><td>8</td><td>number of the process, see {@link Holder}</td></tr>
 * <tr><td>144</td><td>8</td><td>when it was started, in ticks since the machine was</td></tr>
 * <tr><td>152</td><td>64</td><td>boot id, UTF-8, filled up with zeros</td></tr>
 * <tr><td>216</td><td>64</td><td>process namespace, likewise</td></tr>
 * <tr><td>280</td><td>232</td><td>zero</td></tr>
 * </table>
 *
 * @param sr the repository
 * @param host the host that has or had the place
 * @param holder its process
 * @param incarnation which time the place was taken
 * @param beat changes as long as the host lives
 * @param taken whether the place is taken
 * @param table where its claims are
 * @param lastEpoch the last epoch given out here
 * @param key the key of its reservation
 * @param request what it asks of the owner
 * @param answered the last request that is over
 */
record HostRecord(
        UUID sr,
        UUID host,
        Holder holder,
        long incarnation,
        long beat,
        boolean taken,
        TableMark table,
        long lastEpoch,
        long key,
        RequestMark request,
        long answered) {
    static final String MAGIC = "varvhost";
    static final int VERSION = 1;
    private static final int CHECKSUM = 12;
    private static final int TEXT = 64;

    /** Which copy of the table counts, and what of it. */
    record TableMark(int copy, long generation, int claims, int removals) {
        static final TableMark NONE = new TableMark(0, 0, 0, 0);

        boolean isEmpty() {
            return claims == 0 && removals == 0;
        }
    }

    /** A request that lies in the place of the host. */
    record RequestMark(long id, long owner, int length, int checksum) {
        static final RequestMark NONE = new RequestMark(0, 0, 0, 0);

        RequestMark to(long newOwner) {
            return new RequestMark(id, newOwner, length, checksum);
        }
    }

    byte[] encode() {
        ByteBuffer sector =
                Wire.sector(MAGIC)
                        .putInt(8, VERSION)
                        .putLong(48, incarnation)
                        .putLong(56, beat)
                        .put(64, (byte) (taken ? 1 : 0))
                        .put(65, (byte) table.copy())
                        .putInt(68, table.claims())
                        .putInt(72, table.removals())
                        .putLong(80, table.generation())
                        .putLong(88, lastEpoch)
                        .putLong(96, key)
                        .putLong(104, request.id())
                        .putLong(112, request.owner())
                        .putInt(120, request.length())
                        .putInt(124, request.checksum())
                        .putLong(128, answered)
                        .putLong(136, holder.pid())
                        .putLong(144, holder.startTicks());
        Wire.putUuid(sector, 16, sr);
        Wire.putUuid(sector, 32, host);
        Wire.putText(sector, 152, TEXT, holder.bootId());
        Wire.putText(sector, 216, TEXT, holder.pidNamespace());
        return Wire.sealed(sector, CHECKSUM);
    }

    /** Nothing when it is damaged or belongs to another repository. */
    static Optional<HostRecord> parse(byte[] bytes, UUID sr) {
        ByteBuffer sector = ByteBuffer.wrap(bytes);
        if (!Wire.hasMagic(sector, MAGIC)
                || !Wire.isSealed(bytes, CHECKSUM)
                || sector.getInt(8) != VERSION
                || !Wire.uuid(sector, 16).equals(sr)) {
            return Optional.empty();
        }
        return Optional.of(
                new HostRecord(
                        sr,
                        Wire.uuid(sector, 32),
                        holder(sector),
                        sector.getLong(48),
                        sector.getLong(56),
                        sector.get(64) == 1,
                        new TableMark(
                                sector.get(65) & 1,
                                sector.getLong(80),
                                sector.getInt(68),
                                sector.getInt(72)),
                        sector.getLong(88),
                        sector.getLong(96),
                        new RequestMark(
                                sector.getLong(104),
                                sector.getLong(112),
                                sector.getInt(120),
                                sector.getInt(124)),
                        sector.getLong(128)));
    }

    private static Holder holder(ByteBuffer sector) {
        return new Holder(
                Wire.text(sector, 152, TEXT),
                Wire.text(sector, 216, TEXT),
                sector.getLong(136),
                sector.getLong(144));
    }

    HostRecord beaten() {
        return with(beat + 1, taken, table, lastEpoch, request, answered);
    }

    HostRecord freed() {
        TableMark kept = new TableMark(table.copy(), table.generation(), 0, table.removals());
        return with(beat + 1, false, kept, lastEpoch, RequestMark.NONE, answered);
    }

    HostRecord with(TableMark newTable, long epoch) {
        return with(beat, taken, newTable, epoch, request, answered);
    }

    HostRecord with(RequestMark newRequest, long newAnswered) {
        return with(beat, taken, table, lastEpoch, newRequest, newAnswered);
    }

    private HostRecord with(
            long newBeat,
            boolean newTaken,
            TableMark newTable,
            long epoch,
            RequestMark newRequest,
            long newAnswered) {
        return new HostRecord(
                sr,
                host,
                holder,
                incarnation,
                newBeat,
                newTaken,
                newTable,
                epoch,
                key,
                newRequest,
                newAnswered);
    }
}
