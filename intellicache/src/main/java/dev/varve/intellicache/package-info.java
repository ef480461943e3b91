// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * IntelliCache: a block cache on local storage for disks that share a parent image, so that a host
 * reads the shared image once however many desktops boot from it. The package holds nothing yet:
 * the cache filter, its index and its journal arrive with the work on shared-image desktops.
 */
package dev.varve.intellicache;
