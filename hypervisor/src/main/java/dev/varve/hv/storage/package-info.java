// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The storage side of the daemon: repositories that are attached, and disks on their way to a
 * guest.
 */
package dev.varve.hv.storage;
