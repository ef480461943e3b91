// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.block.IoStatus;

/** What follows from the end of a command. */
enum Verdict {
    /** It is done. */
    DONE(IoStatus.OK),
    /** It was not carried out and is tried again. */
    AGAIN(null),
    /** It was not carried out, because something else had to be told; it is tried again. */
    ATTENTION(null),
    /** It was not carried out and is tried again after a while. */
    LATER(null),
    /** The unit does not know it. */
    UNKNOWN(IoStatus.NOT_SUPPORTED),
    /** It makes no sense to the unit. */
    INVALID(IoStatus.INVALID),
    /** Another host has taken the unit. */
    FENCED(IoStatus.IO_ERROR),
    /** The medium or the device failed. */
    FAILED(IoStatus.IO_ERROR),
    /** It may only be read. */
    PROTECTED(IoStatus.READ_ONLY),
    /** There is no room. */
    FULL(IoStatus.NO_SPACE);

    /** Code and qualifier: a block past the end. */
    private static final int OUT_OF_RANGE = 0x2100;

    /** How the request ends; null when the command is tried again. */
    final IoStatus status;

    Verdict(IoStatus status) {
        this.status = status;
    }

    /** What follows from the end of a command. */
    static Verdict of(LunCommand command) {
        if (command.end != LunCommand.End.STATUS) {
            return AGAIN;
        }
        return switch (command.status) {
            case ScsiStatus.GOOD -> DONE;
            case ScsiStatus.CHECK_CONDITION -> ofSense(command);
            case ScsiStatus.BUSY, ScsiStatus.TASK_SET_FULL -> LATER;
            case ScsiStatus.TASK_ABORTED -> AGAIN;
            case ScsiStatus.RESERVATION_CONFLICT -> FENCED;
            default -> FAILED;
        };
    }

    private static Verdict ofSense(LunCommand command) {
        return switch (Sense.key(command.sense)) {
            case Sense.RECOVERED_ERROR -> ofRecovered(command);
            case Sense.NOT_READY -> LATER;
            case Sense.UNIT_ATTENTION -> ATTENTION;
            case Sense.ABORTED_COMMAND -> AGAIN;
            case Sense.ILLEGAL_REQUEST -> ofRefusal(command);
            case Sense.DATA_PROTECT ->
                    command.senseCode() == Sense.SPACE_ALLOCATION_FAILED ? FULL : PROTECTED;
            default -> FAILED;
        };
    }

    /** The device has put it right by itself, provided that all data have come. */
    private static Verdict ofRecovered(LunCommand command) {
        boolean lacks =
                command.kind == LunCommand.Kind.READ
                        && command.receivedBytes != command.expectedBytes;
        return lacks ? AGAIN : DONE;
    }

    private static Verdict ofRefusal(LunCommand command) {
        return switch (command.senseCode()) {
            case Sense.INVALID_COMMAND, Sense.INVALID_FIELD -> UNKNOWN;
            case OUT_OF_RANGE -> INVALID;
            default -> FAILED;
        };
    }
}
