// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

/**
 * Who is at the other end of a connection.
 *
 * @param local whether it came through the socket file, which only its owner can open: its
 *     permissions are the authority then
 * @param address where it came from, for the log
 */
public record Caller(boolean local, String address) {
    /** Somebody who came through the socket file. */
    public static final Caller LOCAL = new Caller(true, "this machine");

    /** Somebody on the network. */
    public static Caller remote(String address) {
        return new Caller(false, address);
    }
}
