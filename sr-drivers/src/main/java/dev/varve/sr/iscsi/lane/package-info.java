// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The data path of iSCSI: a logical unit as a block device. Each lane that uses it has sessions of
 * its own, one for each portal, and talks to their sockets itself, so that a request crosses no
 * thread.
 */
package dev.varve.sr.iscsi.lane;
