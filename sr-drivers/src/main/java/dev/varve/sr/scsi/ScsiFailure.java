// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

/** What a caller is told of a command that did not end well. */
public final class ScsiFailure {
    private ScsiFailure() {}

    /**
     * An error for an outcome that is not good: SR_NOT_WRITABLE for RESERVATION CONFLICT and DATA
     * PROTECT, SR_NO_SPACE when a thin device is full, ISCSI_DEVICE when there is no such unit,
     * else SR_IO_ERROR.
     *
     * @param what the command, as in "cannot read 8 blocks at 0"
     * @param name the unit
     */
    public static StorageException of(ScsiOutcome outcome, String what, String name) {
        return code(outcome).because("%s of %s: %s".formatted(what, name, outcome.words()));
    }

    private static ErrorCode code(ScsiOutcome outcome) {
        if (outcome.status() == ScsiStatus.RESERVATION_CONFLICT) {
            return ErrorCode.SR_NOT_WRITABLE;
        }
        if (outcome.status() != ScsiStatus.CHECK_CONDITION) {
            return ErrorCode.SR_IO_ERROR;
        }
        return switch (Sense.codeAndQualifier(outcome.sense())) {
            case Sense.SPACE_ALLOCATION_FAILED -> ErrorCode.SR_NO_SPACE;
            case Sense.NO_SUCH_UNIT -> ErrorCode.ISCSI_DEVICE;
            default ->
                    Sense.key(outcome.sense()) == Sense.DATA_PROTECT
                            ? ErrorCode.SR_NOT_WRITABLE
                            : ErrorCode.SR_IO_ERROR;
        };
    }
}
