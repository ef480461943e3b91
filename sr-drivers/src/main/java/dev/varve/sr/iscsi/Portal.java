// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.vdi.ErrorCode;

import java.net.InetAddress;
import java.net.UnknownHostException;

/**
 * Where a target listens.
 *
 * @param host a name or an address; one of IPv6 without brackets
 * @param port the TCP port, 1 to 65535
 */
public record Portal(String host, int port) {
    /** The port of iSCSI. */
    public static final int DEFAULT_PORT = 3260;

    private static final int MAX_PORT = 65535;

    /** Takes a host and a port; fails with CONFIG_TARGET_MISSING or ISCSI_PORT. */
    public Portal {
        if (host.isBlank() || host.chars().anyMatch(c -> c <= ' ' || c == '[' || c == ']')) {
            throw ErrorCode.CONFIG_TARGET_MISSING.because(
                    "\"" + host + "\" is not the name or the address of a host");
        }
        if (port < 1 || port > MAX_PORT) {
            throw ErrorCode.ISCSI_PORT.because(
                    "port %d of %s is not between 1 and %d".formatted(port, host, MAX_PORT));
        }
    }

    /**
     * Reads {@code host}, {@code host:port}, {@code [address]:port}, or an address of IPv6 by
     * itself; without a port it is {@link #DEFAULT_PORT}. A portal group that follows a comma is
     * left out.
     */
    public static Portal parse(String text) {
        String place = text.strip();
        int comma = place.indexOf(',');
        if (comma >= 0) {
            place = place.substring(0, comma);
        }
        int afterHost = place.startsWith("[") ? place.indexOf(']') + 1 : place.indexOf(':');
        boolean bare = !place.startsWith("[") && afterHost != place.lastIndexOf(':');
        if (bare || afterHost < 0 || afterHost == place.length()) {
            return new Portal(unbracketed(place), DEFAULT_PORT);
        }
        if (place.charAt(afterHost) != ':') {
            throw ErrorCode.CONFIG_TARGET_MISSING.because(
                    "\"" + text + "\" is not a portal; one looks like 192.0.2.1:3260");
        }
        String host = unbracketed(place.substring(0, afterHost));
        return new Portal(host, portOf(place.substring(afterHost + 1), text));
    }

    private static String unbracketed(String host) {
        return host.startsWith("[") && host.endsWith("]")
                ? host.substring(1, host.length() - 1)
                : host;
    }

    private static int portOf(String digits, String text) {
        if (!digits.matches("[0-9]{1,5}")) {
            throw ErrorCode.ISCSI_PORT.because("\"" + text + "\" has no number as its port");
        }
        return Integer.parseInt(digits);
    }

    /** The addresses of the host, or fails with DNS_ERROR. */
    public InetAddress[] addresses() {
        try {
            return InetAddress.getAllByName(host);
        } catch (UnknownHostException e) {
            throw ErrorCode.DNS_ERROR.because("the name " + host + " cannot be resolved", e);
        }
    }

    /** {@code host:port}, with brackets round an address of IPv6. */
    @Override
    public String toString() {
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
    }
}
