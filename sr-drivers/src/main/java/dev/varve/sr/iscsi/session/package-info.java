// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Sessions for control work: one command at a time, by callers that may wait. They find out what
 * LUNs a target has, carry the metadata of volume groups, and reserve LUNs for hosts.
 */
package dev.varve.sr.iscsi.session;
