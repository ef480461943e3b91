// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

/**
 * A text response (RFC 7143, 11.11).
 *
 * @param complete whether the target has no more to say
 * @param transferTag what to repeat for the rest
 * @param statusNumber StatSN
 * @param expectedCommandNumber ExpCmdSN
 * @param data keys
 */
record TextAnswer(
        boolean complete,
        int transferTag,
        int statusNumber,
        int expectedCommandNumber,
        byte[] data) {}
