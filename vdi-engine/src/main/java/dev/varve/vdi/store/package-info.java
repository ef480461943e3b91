// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Volume stores: what a storage repository driver offers to the VDI operations. A store keeps named
 * runs of bytes and their attributes; it does not know what a disk is.
 */
package dev.varve.vdi.store;
