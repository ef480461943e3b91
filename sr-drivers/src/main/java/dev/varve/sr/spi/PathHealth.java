// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

/**
 * How one path to a medium does.
 *
 * @param device what it leads to: the SCSIid
 * @param path what it is, for a person: an address and a port, or the device of the host
 * @param healthy whether requests may take it now
 * @param failures how often it has failed since the repository was attached
 * @param lastError why it failed last; empty when it never did
 */
public record PathHealth(
        String device, String path, boolean healthy, long failures, String lastError) {}
