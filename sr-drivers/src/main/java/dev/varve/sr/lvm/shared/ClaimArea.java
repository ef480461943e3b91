// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The area of a shared device where hosts keep their claims: a range of the device, with one place
 * for each host. Whatever lies in a place is written by the host that has it, and by no other.
 *
 * <table>
 * <caption>The area</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>4 KiB</td><td>{@link AreaHeader}</td></tr>
 * <tr><td>4 KiB x (1 + p)</td><td>4 KiB</td><td>{@link HostRecord} of place p, up to 64</td></tr>
 * <tr><td>260 KiB</td><td>764 KiB</td><td>unused</td></tr>
 * <tr><td>1 MiB x (1 + p)</td><td>1 MiB</td><td>the rest of place p</td></tr>
 * </table>
 *
 * <table>
 * <caption>The rest of a place</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>64 KiB</td><td>{@link ClaimTable}, copy 0</td></tr>
 * <tr><td>64 KiB</td><td>64 KiB</td><td>copy 1</td></tr>
 * <tr><td>128 KiB</td><td>256 KiB</td><td>what the host asks of the owner</td></tr>
 * <tr><td>384 KiB</td><td>256 KiB</td><td>{@link AnswerMark} for each host, 4 KiB apart</td></tr>
 * <tr><td>640 KiB</td><td>384 KiB</td><td>answers to other hosts</td></tr>
 * </table>
 *
 * <p>A record is written as one block of the device, whose write is all or nothing; bytes behind
 * the 512 of a record are zero. What is longer has a checksum in a record.
 *
 * <p><b>Threads:</b> any.
 *
 * <p><b>Durability:</b> after {@link #flush()}. Other hosts see a write as soon as it has returned.
 */
public final class ClaimArea {
    /** The most hosts that an area has room for. */
    public static final int MOST_SLOTS = 64;

    /** The longest request, and the longest answer, in bytes. */
    public static final int MOST_MESSAGE_BYTES = 256 * 1024;

    static final int ANSWER_BLOCK = 4096;
    static final int ANSWER_BLOCKS = 384 * 1024 / ANSWER_BLOCK;

    private static final int UNIT = 4096;
    private static final long SLOT = 1 << 20;
    private static final long REQUEST = 128 * 1024;
    private static final long MARKS = 384 * 1024;
    private static final long ANSWERS = 640 * 1024;

    private final BlockMedium medium;
    private final long offset;
    private final AreaHeader header;

    private ClaimArea(BlockMedium medium, long offset, AreaHeader header) {
        this.medium = medium;
        this.offset = offset;
        this.header = header;
    }

    /** How many bytes an area for so many hosts has. */
    public static long bytes(int slots) {
        return SLOT * (1 + slots);
    }

    /**
     * Makes an area, without any claim, whatever was there. Nobody may be using it.
     *
     * @param offset where it begins on the medium, a multiple of 4096
     * @param length how many bytes there are for it, at least {@link #bytes} of one host
     */
    public static ClaimArea format(
            BlockMedium medium, long offset, long length, UUID pool, UUID sr) {
        int slots = (int) Math.min(MOST_SLOTS, length / SLOT - 1);
        if (slots < 1 || offset % UNIT != 0) {
            throw new IllegalArgumentException(
                    "%d bytes at %d of %s are no room for claims"
                            .formatted(length, offset, medium.name()));
        }
        ClaimArea area = new ClaimArea(medium, offset, new AreaHeader(pool, sr, slots));
        medium.zero(offset, SLOT);
        medium.flush();
        area.writeBlock(0, area.header.encode());
        medium.flush();
        return area;
    }

    /**
     * Opens the area that is there.
     *
     * @throws dev.varve.vdi.StorageException SR_METADATA when there is none
     */
    public static ClaimArea open(BlockMedium medium, long offset) {
        AreaHeader header =
                AreaHeader.parse(medium.read(offset, Wire.SECTOR))
                        .orElseThrow(
                                () ->
                                        ErrorCode.SR_METADATA.because(
                                                "at %d of %s there are no claims, or damaged ones"
                                                        .formatted(offset, medium.name())));
        return new ClaimArea(medium, offset, header);
    }

    /** Whether there is an area. */
    public static boolean isPresent(BlockMedium medium, long offset) {
        return AreaHeader.parse(medium.read(offset, Wire.SECTOR)).isPresent();
    }

    /** The pool whose hosts use the repository. */
    public UUID pool() {
        return header.pool();
    }

    /** The repository. */
    public UUID sr() {
        return header.sr();
    }

    /** How many hosts have room. */
    public int slots() {
        return header.slots();
    }

    /** What it lies on, for messages. */
    String name() {
        return medium.name();
    }

    BlockMedium medium() {
        return medium;
    }

    /**
     * Fails with LVM_MASTER when the repository is that of another pool.
     *
     * @param pool the pool of this host
     */
    public void requirePool(UUID pool) {
        if (!header.pool().equals(pool)) {
            throw ErrorCode.LVM_MASTER.because(
                    "%s holds a repository of pool %s, and this host is of pool %s: detach it there"
                                    .formatted(medium.name(), header.pool(), pool)
                            + " for good, or choose another device");
        }
    }

    // ---- records of hosts

    /**
     * What hosts say of themselves, in one read of each place in turn; the bytes of a place are
     * nothing but zeros where no host has ever been.
     */
    byte[][] readRecords(int count) {
        byte[] all = medium.read(offset + UNIT, count * UNIT);
        byte[][] records = new byte[count][];
        for (int i = 0; i < count; i++) {
            records[i] = Arrays.copyOfRange(all, i * UNIT, i * UNIT + Wire.SECTOR);
        }
        return records;
    }

    byte[] readRecord(int slot) {
        return medium.read(offset + recordAt(slot), Wire.SECTOR);
    }

    void writeRecord(int slot, HostRecord record) {
        writeBlock(recordAt(slot), record.encode());
    }

    private static long recordAt(int slot) {
        return UNIT * (1L + slot);
    }

    /** Fills up to a whole block, so that nothing has to be read first. */
    private void writeBlock(long at, byte[] record) {
        medium.write(offset + at, Arrays.copyOf(record, medium.blockBytes()));
    }

    // ---- claims

    /** The table that a record names; nothing when it has been overwritten since, or is damaged. */
    Optional<ClaimTable> readTable(int slot, HostRecord.TableMark mark) {
        long at = offset + tableAt(slot, mark.copy());
        byte[] first = medium.read(at, UNIT);
        return ClaimTable.entries(first)
                .map(ClaimTable::length)
                .map(bytes -> bytes <= UNIT ? Arrays.copyOf(first, bytes) : medium.read(at, bytes))
                .flatMap(ClaimTable::parse)
                .filter(table -> table.generation() == mark.generation());
    }

    void writeTable(int slot, int copy, ClaimTable table) {
        medium.write(offset + tableAt(slot, copy), table.encode());
    }

    private static long tableAt(int slot, int copy) {
        return SLOT * (1 + slot) + (long) ClaimTable.BYTES * copy;
    }

    // ---- requests and answers

    byte[] readRequest(int slot, int length) {
        return medium.read(offset + SLOT * (1 + slot) + REQUEST, length);
    }

    void writeRequest(int slot, byte[] request) {
        medium.write(offset + SLOT * (1 + slot) + REQUEST, request);
    }

    /** How far the host in a place is with what another one asked. */
    Optional<AnswerMark> readMark(int owner, int asker) {
        return AnswerMark.parse(medium.read(offset + markAt(owner, asker), Wire.SECTOR));
    }

    /** How far the host in a place is with what all others asked, by their places. */
    List<Optional<AnswerMark>> readMarks(int owner) {
        byte[] all = medium.read(offset + markAt(owner, 0), slots() * UNIT);
        List<Optional<AnswerMark>> marks = new ArrayList<>();
        for (int asker = 0; asker < slots(); asker++) {
            int at = asker * UNIT;
            marks.add(AnswerMark.parse(Arrays.copyOfRange(all, at, at + Wire.SECTOR)));
        }
        return marks;
    }

    void writeMark(int owner, int asker, AnswerMark mark) {
        writeBlock(markAt(owner, asker), mark.encode());
    }

    private static long markAt(int owner, int asker) {
        return SLOT * (1 + owner) + MARKS + (long) UNIT * asker;
    }

    byte[] readAnswer(int owner, int block, int length) {
        return medium.read(offset + answerAt(owner, block), length);
    }

    void writeAnswer(int owner, int block, byte[] answer) {
        medium.write(offset + answerAt(owner, block), answer);
    }

    private static long answerAt(int owner, int block) {
        return SLOT * (1 + owner) + ANSWERS + (long) ANSWER_BLOCK * block;
    }

    void flush() {
        medium.flush();
    }
}
