// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Block devices that hold a repository of volumes: a disk of this host, a LUN behind one or several
 * paths. What lies on them is somebody else's.
 */
package dev.varve.sr.block;
