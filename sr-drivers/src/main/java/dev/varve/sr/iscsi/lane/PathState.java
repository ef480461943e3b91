// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

/** What a path is doing, best first. */
public enum PathState {
    /** It carries commands. */
    UP,
    /** It logs in, or finds out what it reaches. */
    CONNECTING,
    /** It waits before it tries again. */
    DOWN,
    /** Another logical unit answers there than the one that is wanted; it is tried again. */
    WRONG_UNIT,
    /** It is not used any more. */
    CLOSED
}
