// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * Asks the target to end tasks (RFC 7143, 11.5).
 *
 * <table>
 * <caption>Task management request, what {@link BasicHeader} and {@link RequestHeader} do not have
 *     </caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>1</td><td>1</td><td>bit 7: set; bits 0 to 6: function</td></tr>
 * <tr><td>20</td><td>4</td><td>tag of the task to abort, or all ones</td></tr>
 * <tr><td>32</td><td>4</td><td>RefCmdSN: CmdSN of the task to abort</td></tr>
 * <tr><td>36</td><td>4</td><td>ExpDataSN, only to move a task to another connection</td></tr>
 * </table>
 */
public final class TaskManagementRequest extends RequestHeader {
    public static final int ABORT_TASK = 1;
    public static final int ABORT_TASK_SET = 2;
    public static final int CLEAR_TASK_SET = 4;
    public static final int LOGICAL_UNIT_RESET = 5;
    public static final int TARGET_WARM_RESET = 6;

    private static final int FUNCTION_MASK = 0x7F;

    /** Makes it an immediate one of a function that refers to no single task. */
    public void begin(int function) {
        begin(Opcode.TASK_MANAGEMENT_REQUEST, FINAL | (function & FUNCTION_MASK));
        setImmediate();
        putInt(20, NO_TAG);
    }

    /** What it asks for. */
    public int function() {
        return byteAt(1) & FUNCTION_MASK;
    }

    /** The tag of the task to abort, or {@link #NO_TAG}. */
    public int referencedTaskTag() {
        return intAt(20);
    }

    /** The number of the command to abort (RefCmdSN). */
    public int referencedCommandNumber() {
        return intAt(32);
    }

    /** Names the task to abort by its tag and the number of its command. */
    public void setReferenced(int taskTag, int commandNumber) {
        putInt(20, taskTag);
        putInt(32, commandNumber);
    }
}
