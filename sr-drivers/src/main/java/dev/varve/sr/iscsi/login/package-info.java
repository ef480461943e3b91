// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * How a session begins (RFC 7143, section 6): security, then negotiation of keys, and discovery.
 * The protocol data units go through the codec of jSCSI, everything else is here.
 */
package dev.varve.sr.iscsi.login;
