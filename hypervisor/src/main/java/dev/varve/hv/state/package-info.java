// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Where the daemon keeps what must outlive it: keys and values with revisions, watches and leases.
 */
package dev.varve.hv.state;
