// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.SessionSpec;

/**
 * Starts sessions.
 *
 * <p><b>Threads:</b> any that may wait.
 */
@FunctionalInterface
public interface NexusLogin {
    /**
     * Connects and logs in. A session of the same name, if the target still has one, has ended with
     * all its tasks when this returns.
     *
     * @throws dev.varve.vdi.StorageException when there is no session by the deadline
     */
    LoggedIn logIn(SessionSpec spec, Deadline deadline);
}
