// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * A header from the initiator to the target.
 *
 * <table>
 * <caption>What most requests have in common</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>24</td><td>4</td><td>CmdSN: number of the command in the session; not in Data-Out</td></tr>
 * <tr><td>28</td><td>4</td><td>ExpStatSN: the next StatSN that the initiator expects</td></tr>
 * </table>
 */
public abstract class RequestHeader extends BasicHeader {
    /** The number of the command in its session (CmdSN). */
    public final int commandNumber() {
        return intAt(24);
    }

    /** Sets CmdSN. */
    public final void setCommandNumber(int number) {
        putInt(24, number);
    }

    /** The status number that the initiator expects next (ExpStatSN). */
    public final int expectedStatusNumber() {
        return intAt(28);
    }

    /** Sets ExpStatSN, by which everything before is acknowledged. */
    public final void setExpectedStatusNumber(int number) {
        putInt(28, number);
    }
}
