// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Block devices: what they are, how a request travels through them, and the devices and filters
 * that know nothing of image formats.
 */
package dev.varve.vdi.block;
