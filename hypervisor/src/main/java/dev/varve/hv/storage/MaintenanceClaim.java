// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.UUID;

/**
 * The right to merge images of a repository, to remove those that nobody needs, and to finish what
 * a crash has interrupted. One daemon has it: it is a claim for writing on the UUID of the
 * repository itself, and is taken over from a process that is gone like a claim on a disk.
 *
 * <p><b>Threads:</b> any.
 */
final class MaintenanceClaim {
    private static final Logger LOG = LoggerFactory.getLogger(MaintenanceClaim.class);

    private final Claims claims;
    private final UUID sr;
    private Claims.Claim held;
    private boolean refused;

    MaintenanceClaim(Claims claims, UUID sr) {
        this.claims = claims;
        this.sr = sr;
    }

    /**
     * Takes the claim if this daemon does not have it.
     *
     * @return false when another daemon has it
     * @throws StorageException when it cannot be told
     */
    synchronized boolean hold() {
        if (held != null) {
            return true;
        }
        try {
            held = claims.acquire(sr, Claims.Mode.WRITE);
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
            if (!refused) {
                LOG.info("repository {} is maintained by another daemon: {}", sr, e.sentence());
                refused = true;
            }
            return false;
        }
        if (refused) {
            LOG.info("repository {} is maintained by this daemon from now on", sr);
            refused = false;
        }
        return true;
    }

    /** Whether this daemon has it. */
    synchronized boolean isHeld() {
        return held != null;
    }

    /** Gives it up, if this daemon has it. */
    synchronized void release() {
        if (held != null) {
            Claims.Claim ours = held;
            held = null;
            claims.release(ours);
        }
    }
}
