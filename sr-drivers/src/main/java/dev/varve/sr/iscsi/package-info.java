// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * An iSCSI initiator in user space (RFC 7143): names, portals, and what a session is made of.
 * {@code login} makes sessions, {@code pdu} has the headers of a session, {@code session} a session
 * for work that may wait.
 */
package dev.varve.sr.iscsi;
