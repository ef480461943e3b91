// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Portal;

/**
 * How the path by one portal is doing, over all lanes.
 *
 * @param portal the portal
 * @param state the worst state of its sessions
 * @param sessions how many sessions there should be: one for each lane that uses the unit
 * @param sessionsUp how many there are that carry commands
 * @param errors how often a session broke or a login failed
 * @param sinceMillis since when it is in this state, in milliseconds since 1970
 * @param lastError what went wrong last; empty if nothing has
 */
public record PathHealth(
        Portal portal,
        PathState state,
        int sessions,
        int sessionsUp,
        long errors,
        long sinceMillis,
        String lastError) {}
