// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import java.nio.ByteBuffer;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The challenges of CHAP that we have sent in logins which are still under way. A target that sends
 * one of them back wants us to find the answer for it.
 *
 * <p><b>Threads:</b> any.
 */
final class OpenChallenges {
    private final Set<ByteBuffer> open = ConcurrentHashMap.newKeySet();

    void add(byte[] challenge) {
        open.add(ByteBuffer.wrap(challenge.clone()));
    }

    void remove(byte[] challenge) {
        open.remove(ByteBuffer.wrap(challenge));
    }

    boolean contains(byte[] challenge) {
        return open.contains(ByteBuffer.wrap(challenge));
    }
}
