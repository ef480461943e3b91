// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * Sends SCSI commands to a disk of this host past its block layer, with the request SG_IO of the
 * kernel. The node is opened for each command: such commands are rare, and a disk that was plugged
 * in anew is found again.
 *
 * <p>The request, {@code struct sg_io_hdr} of {@code scsi/sg.h} in a process of 64 bits, in the
 * order of bytes of the machine:
 *
 * <table>
 * <caption>sg_io_hdr, 88 bytes</caption>
 * <tr><th>offset</th><th>bytes</th><th>content</th></tr>
 * <tr><td>0</td><td>4</td><td>{@code 'S'}</td></tr>
 * <tr><td>4</td><td>4</td><td>direction: -1 none, -2 to the disk, -3 from it</td></tr>
 * <tr><td>8</td><td>1</td><td>length of the command</td></tr>
 * <tr><td>9</td><td>1</td><td>room for sense data</td></tr>
 * <tr><td>12</td><td>4</td><td>length of the data</td></tr>
 * <tr><td>16, 24, 32</td><td>8 each</td><td>addresses of data, command, sense data</td></tr>
 * <tr><td>40</td><td>4</td><td>time-out in milliseconds</td></tr>
 * <tr><td>64</td><td>1</td><td>out: status of the command</td></tr>
 * <tr><td>67</td><td>1</td><td>out: length of the sense data</td></tr>
 * <tr><td>68</td><td>2</td><td>out: what the adapter says; 0 when the command came through</td></tr>
 * <tr><td>70</td><td>2</td><td>out: what the driver says; the low bits 8 only mean that there is
 * sense data</td></tr>
 * <tr><td>72</td><td>4</td><td>out: how much of the data was not transferred</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any that may wait.
 *
 * @param node the device node
 */
public record SgPort(Path node) implements ScsiPort {
    private static final long SG_IO = 0x2285;
    private static final long SG_SCSI_RESET = 0x2284;

    /** SG_SCSI_RESET_DEVICE without going on to its target, bus and adapter. */
    private static final int RESET_UNIT_ONLY = 0x101;

    private static final int HEADER_BYTES = 88;
    private static final int SENSE_BYTES = 252;
    private static final int NONE = -1;
    private static final int TO_DISK = -2;
    private static final int FROM_DISK = -3;
    private static final int O_NONBLOCK = 04000;
    private static final int DRIVER_SENSE = 0x08;
    private static final int MOST_ATTENTIONS = 8;
    private static final int ALIGNMENT = 4096;
    private static final int TIMEOUT_MILLIS = (int) TimeUnit.SECONDS.toMillis(30);

    @Override
    public String name() {
        return node.toString();
    }

    /** The kernel itself tries again what is busy; UNIT ATTENTION is left to the caller. */
    @Override
    public ScsiOutcome execute(byte[] cdb, byte[] out, int room) {
        int fd = Libc.open(node.toString(), Libc.O_RDWR | O_NONBLOCK);
        if (fd < 0) {
            throw unavailable("cannot be opened: " + Libc.errorName(fd));
        }
        try {
            ScsiOutcome outcome = once(fd, cdb, out, room);
            for (int i = 0; i < MOST_ATTENTIONS && isAttention(outcome); i++) {
                outcome = once(fd, cdb, out, room);
            }
            return outcome;
        } finally {
            Libc.close(fd);
        }
    }

    /** The request SG_SCSI_RESET of the kernel, for the unit alone. */
    @Override
    public void reset() {
        int fd = Libc.open(node.toString(), Libc.O_RDWR | O_NONBLOCK);
        if (fd < 0) {
            throw unavailable("cannot be opened: " + Libc.errorName(fd));
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment what = arena.allocateFrom(ValueLayout.JAVA_INT, RESET_UNIT_ONLY);
            int result = Libc.ioctl(fd, SG_SCSI_RESET, what.address());
            if (result < 0) {
                throw ErrorCode.SR_NOT_IMPLEMENTED.because(
                        "the disk %s cannot be reset: %s".formatted(node, Libc.errorName(result)));
            }
        } finally {
            Libc.close(fd);
        }
    }

    private static boolean isAttention(ScsiOutcome outcome) {
        return outcome.status() == ScsiStatus.CHECK_CONDITION
                && outcome.sense() != Sense.NONE
                && Sense.key(outcome.sense()) == Sense.UNIT_ATTENTION;
    }

    private ScsiOutcome once(int fd, byte[] cdb, byte[] out, int room) {
        try (Arena arena = Arena.ofConfined()) {
            int length = out.length > 0 ? out.length : room;
            MemorySegment data = arena.allocate(Math.max(1, length), ALIGNMENT);
            MemorySegment.copy(out, 0, data, ValueLayout.JAVA_BYTE, 0, out.length);
            MemorySegment sense = arena.allocate(SENSE_BYTES, Long.BYTES);
            MemorySegment command = arena.allocateFrom(ValueLayout.JAVA_BYTE, cdb);
            MemorySegment header = arena.allocate(HEADER_BYTES, Long.BYTES);
            int direction = out.length > 0 ? TO_DISK : room > 0 ? FROM_DISK : NONE;
            header.set(ValueLayout.JAVA_INT, 0, 'S');
            header.set(ValueLayout.JAVA_INT, 4, direction);
            header.set(ValueLayout.JAVA_BYTE, 8, (byte) commandBytes(cdb));
            header.set(ValueLayout.JAVA_BYTE, 9, (byte) SENSE_BYTES);
            header.set(ValueLayout.JAVA_INT, 12, length);
            header.set(ValueLayout.JAVA_LONG, 16, data.address());
            header.set(ValueLayout.JAVA_LONG, 24, command.address());
            header.set(ValueLayout.JAVA_LONG, 32, sense.address());
            header.set(ValueLayout.JAVA_INT, 40, TIMEOUT_MILLIS);
            int result = Libc.ioctl(fd, SG_IO, header.address());
            if (result < 0) {
                throw unavailable("takes no SCSI commands: " + Libc.errorName(result));
            }
            return outcome(header, sense, data, room);
        }
    }

    /** How long a command is goes by its group: SPC-4, 4.2.5.1. */
    private static int commandBytes(byte[] cdb) {
        return switch ((cdb[0] & 0xFF) >> 5) {
            case 0 -> 6;
            case 1, 2 -> 10;
            case 5 -> 12;
            default -> cdb.length;
        };
    }

    private ScsiOutcome outcome(
            MemorySegment header, MemorySegment sense, MemorySegment data, int room) {
        int adapter = header.get(ValueLayout.JAVA_SHORT, 68) & 0xFFFF;
        int driver = header.get(ValueLayout.JAVA_SHORT, 70) & 0xFFFF & ~DRIVER_SENSE;
        if (adapter != 0 || driver != 0) {
            throw unavailable(
                    "did not get the command: the adapter says %d, the driver %d"
                            .formatted(adapter, driver));
        }
        int status = header.get(ValueLayout.JAVA_BYTE, 64) & 0xFF;
        int senseLength = header.get(ValueLayout.JAVA_BYTE, 67) & 0xFF;
        int missing = Math.clamp(header.get(ValueLayout.JAVA_INT, 72), 0, room);
        boolean hasSense = status == ScsiStatus.CHECK_CONDITION && senseLength > 0;
        return new ScsiOutcome(
                status,
                hasSense ? Sense.parse(sense, 0, senseLength) : Sense.NONE,
                data.asSlice(0, room - missing).toArray(ValueLayout.JAVA_BYTE));
    }

    private StorageException unavailable(String what) {
        return ErrorCode.SR_UNAVAILABLE.because("the disk " + node + " " + what);
    }
}
