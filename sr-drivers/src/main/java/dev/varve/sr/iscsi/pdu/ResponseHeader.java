// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * A header from the target to the initiator; also the view of one whose opcode is not known yet.
 *
 * <table>
 * <caption>What all answers have in common</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>24</td><td>4</td><td>StatSN: number of the status in the connection; in Data-In only with
 *     status, in R2T and some NOP-In the next one, which is not used up</td></tr>
 * <tr><td>28</td><td>4</td><td>ExpCmdSN: the next command that the target expects</td></tr>
 * <tr><td>32</td><td>4</td><td>MaxCmdSN: the last command that the target has room for</td></tr>
 * </table>
 */
public class ResponseHeader extends BasicHeader {
    /** The number of the status in its connection (StatSN). */
    public final int statusNumber() {
        return intAt(24);
    }

    /** Sets StatSN. */
    public final void setStatusNumber(int number) {
        putInt(24, number);
    }

    /** The command that the target expects next (ExpCmdSN). */
    public final int expectedCommandNumber() {
        return intAt(28);
    }

    /** Sets ExpCmdSN. */
    public final void setExpectedCommandNumber(int number) {
        putInt(28, number);
    }

    /** The last command that the target has room for (MaxCmdSN). */
    public final int maximumCommandNumber() {
        return intAt(32);
    }

    /** Sets MaxCmdSN. */
    public final void setMaximumCommandNumber(int number) {
        putInt(32, number);
    }
}
