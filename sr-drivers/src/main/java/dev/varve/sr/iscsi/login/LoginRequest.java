// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

/**
 * A login request, as far as it differs from one to the next (RFC 7143, 11.12).
 *
 * @param transit whether we are ready for the next stage
 * @param stage 0 security, 1 operational negotiation
 * @param nextStage 1 operational negotiation, 3 full feature phase; 0 without {@code transit}
 * @param isid the six bytes of our part of the session's name, as the low 48 bits
 * @param taskTag the same in all requests of a login
 * @param commandNumber the same in all requests of a login, and that of the first command after it
 * @param expectedStatusNumber the StatSN of the answer before, plus 1
 * @param data keys
 */
record LoginRequest(
        boolean transit,
        int stage,
        int nextStage,
        long isid,
        int taskTag,
        int commandNumber,
        int expectedStatusNumber,
        byte[] data) {
    static final int SECURITY = 0;
    static final int OPERATIONAL = 1;
    static final int FULL_FEATURE = 3;
}
