// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.util.Optional;

/**
 * Decides who may use which disk at an address.
 *
 * <p><b>Threads:</b> called on a lane, which serves others as well: it may compute, but not wait.
 */
@FunctionalInterface
public interface NbdAccess {
    /**
     * The UUID of the disk that a client means and may use, or nothing: then the client is told
     * that there is no such disk.
     *
     * @param requestedName what the client asks for, as it has sent it
     */
    Optional<String> vdi(String requestedName);
}
