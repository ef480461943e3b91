// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/**
 * How a command has ended at a device.
 *
 * @param status of {@link ScsiStatus}
 * @param sense as {@link Sense} packs it; {@link Sense#NONE} without CHECK CONDITION
 * @param data what came in, perhaps less than was asked for
 */
public record ScsiOutcome(int status, int sense, byte[] data) {
    /** Whether it did what it was to do. */
    public boolean isGood() {
        return status == ScsiStatus.GOOD;
    }

    /** Whether the device does not know the command, or not with these fields. */
    public boolean isUnsupported() {
        int code = Sense.codeAndQualifier(sense);
        return status == ScsiStatus.CHECK_CONDITION
                && Sense.key(sense) == Sense.ILLEGAL_REQUEST
                && (code == Sense.INVALID_COMMAND || code == Sense.INVALID_FIELD);
    }

    /** In words, for messages. */
    public String words() {
        return status == ScsiStatus.CHECK_CONDITION ? Sense.words(sense) : ScsiStatus.words(status);
    }
}
