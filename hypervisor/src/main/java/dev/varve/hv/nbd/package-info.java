// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The NBD server: every attached disk is an export whose name is the disk's UUID; at an address in
 * the network names are what its {@link dev.varve.hv.nbd.NbdAccess} makes of them.
 *
 * <p>Sockets belong to lanes. A connection begins on the lane that accepts it and moves to the lane
 * of the disk it asks for, so a request reaches the disk without changing threads.
 */
package dev.varve.hv.nbd;
