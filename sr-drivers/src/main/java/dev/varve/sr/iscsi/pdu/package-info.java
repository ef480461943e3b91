// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The headers of iSCSI (RFC 7143, section 11) that a session in full feature phase sends and gets,
 * each a view of 48 bytes of memory that is never copied, and the digests over them. Login and text
 * are not here.
 *
 * <p>A view is made once and pointed at one header after the other; none of its methods allocates.
 * All numbers are in network order.
 */
package dev.varve.sr.iscsi.pdu;
