// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.iscsi.pdu.SerialNumbers;

/**
 * The numbers by which a session keeps its order (RFC 7143, 4.2.2).
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class SessionNumbers {
    private int next;
    private int expectedStatus;
    private int maximum;

    /** Begins where the login has ended. */
    SessionNumbers(LoggedIn start) {
        next = start.nextCommandNumber();
        expectedStatus = start.expectedStatusNumber();
        maximum = start.maximumCommandNumber();
    }

    /** Whether the target has room for another command. */
    boolean isWindowOpen() {
        return !SerialNumbers.isBefore(maximum, next);
    }

    /** CmdSN of the next command, which uses it up. */
    int take() {
        return next++;
    }

    /** CmdSN for something that is immediate and uses none up. */
    int next() {
        return next;
    }

    /** ExpStatSN. */
    int expectedStatus() {
        return expectedStatus;
    }

    /** Takes in what every answer says of the window; the contradictory and the old are ignored. */
    void noteWindow(ResponseHeader header) {
        int most = header.maximumCommandNumber();
        if (!SerialNumbers.isBefore(most, header.expectedCommandNumber() - 1)) {
            maximum = SerialNumbers.later(maximum, most);
        }
    }

    /** Takes in an answer that uses up a status number. */
    void noteStatus(ResponseHeader header) {
        expectedStatus = SerialNumbers.later(expectedStatus, header.statusNumber() + 1);
    }
}
