// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.net.InetSocketAddress;
import java.util.Optional;

import javax.net.ssl.SSLContext;

/**
 * An address in the network at which disks are served.
 *
 * @param address where to listen; port 0 lets the system choose. {@code ::} takes IPv6 only
 * @param tls the server's certificate and key; without it nothing is protected
 * @param access who may use which disk
 */
public record NbdEndpoint(InetSocketAddress address, Optional<SSLContext> tls, NbdAccess access) {
    /**
     * @throws IllegalArgumentException when the address is a name without an address
     */
    public NbdEndpoint {
        if (address.isUnresolved()) {
            throw new IllegalArgumentException(
                    "the host " + address.getHostString() + " is not known");
        }
    }
}
