// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/** How a command has ended (SAM-5, 5.3.1). */
public final class ScsiStatus {
    public static final int GOOD = 0x00;
    public static final int CHECK_CONDITION = 0x02;
    public static final int CONDITION_MET = 0x04;
    public static final int BUSY = 0x08;
    public static final int RESERVATION_CONFLICT = 0x18;
    public static final int TASK_SET_FULL = 0x28;
    public static final int ACA_ACTIVE = 0x30;
    public static final int TASK_ABORTED = 0x40;

    private ScsiStatus() {}

    /** In words, for messages. */
    public static String words(int status) {
        return switch (status) {
            case GOOD -> "good";
            case CHECK_CONDITION -> "check condition";
            case CONDITION_MET -> "condition met";
            case BUSY -> "busy";
            case RESERVATION_CONFLICT -> "reservation conflict";
            case TASK_SET_FULL -> "task set full";
            case ACA_ACTIVE -> "auto contingent allegiance active";
            case TASK_ABORTED -> "task aborted";
            default -> "status %02X".formatted(status);
        };
    }
}
