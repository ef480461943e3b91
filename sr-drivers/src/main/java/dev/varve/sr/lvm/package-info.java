// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Volumes as the logical volumes of one volume group: how they are named, marked, made, grown and
 * opened, where what is kept about them lies, and how the reference stack keeps its own.
 */
package dev.varve.sr.lvm;
