// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

/** How a SCSI command ends (SAM-5, 5.3.1). */
final class ScsiStatus {
    static final int GOOD = 0x00;
    static final int CHECK_CONDITION = 0x02;
    static final int BUSY = 0x08;
    static final int RESERVATION_CONFLICT = 0x18;
    static final int TASK_SET_FULL = 0x28;
    static final int TASK_ABORTED = 0x40;

    private ScsiStatus() {}
}
