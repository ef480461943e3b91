// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.util.Optional;
import java.util.concurrent.Executor;

import javax.net.ssl.SSLContext;

/**
 * How the connections of a listener are protected.
 *
 * @param tls what a client hears that asks for TLS
 * @param context the server's certificate and key, when TLS is required
 * @param workers where the computations of TLS handshakes run
 */
public record NbdSecurity(NbdHandshake.Tls tls, Optional<SSLContext> context, Executor workers) {
    /**
     * No protection.
     *
     * @param tls what a client hears that asks for it
     */
    public static NbdSecurity none(NbdHandshake.Tls tls) {
        return new NbdSecurity(tls, Optional.empty(), Runnable::run);
    }

    /** TLS before anything else. */
    public static NbdSecurity required(SSLContext context, Executor workers) {
        return new NbdSecurity(NbdHandshake.Tls.REQUIRED, Optional.of(context), workers);
    }
}
