// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

/**
 * A login response (RFC 7143, 11.13).
 *
 * @param transit whether the target goes to the next stage
 * @param more whether the keys go on in the next answer
 * @param stage the stage it answers in
 * @param nextStage the stage it goes to
 * @param status class and detail
 * @param tsih the target's part of the session's name, in the last answer
 * @param statusNumber StatSN
 * @param expectedCommandNumber ExpCmdSN
 * @param maximumCommandNumber MaxCmdSN
 * @param data keys
 */
record LoginAnswer(
        boolean transit,
        boolean more,
        int stage,
        int nextStage,
        int status,
        int tsih,
        int statusNumber,
        int expectedCommandNumber,
        int maximumCommandNumber,
        byte[] data) {}
