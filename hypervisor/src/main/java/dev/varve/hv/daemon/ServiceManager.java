// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.vdi.ffi.Libc;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.nio.charset.StandardCharsets;

/**
 * Tells the program that started this one as a service how far it is, in the protocol of {@code
 * sd_notify(3)}: datagrams to the socket that {@code NOTIFY_SOCKET} names. Without one nobody is
 * told.
 *
 * <p><b>Errors:</b> who is not told goes by its own deadlines; that is logged, and stops nothing.
 *
 * <p><b>Threads:</b> any.
 */
final class ServiceManager {
    private static final Logger LOG = LoggerFactory.getLogger(ServiceManager.class);

    private final String socket;

    /**
     * @param socket a path, or a name in the abstract namespace after {@code @}; null for none
     */
    ServiceManager(String socket) {
        this.socket = socket == null ? "" : socket;
    }

    /** The daemon serves its clients. */
    void ready() {
        tell("READY=1");
    }

    /** The daemon has begun to stop. */
    void stopping() {
        tell("STOPPING=1");
    }

    private void tell(String message) {
        if (socket.isEmpty()) {
            return;
        }
        try {
            long sent = Libc.sendUnix(socket, message.getBytes(StandardCharsets.US_ASCII));
            if (sent < 0) {
                LOG.warn(
                        "{} cannot be sent to {}: {}", message, socket, Libc.errorName((int) sent));
            }
        } catch (IllegalArgumentException e) {
            LOG.warn("{} cannot be sent", message, e);
        }
    }
}
