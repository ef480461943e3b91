// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Changed block tracking: which blocks of a disk differ between two of its snapshots, or between a
 * snapshot and the disk. What is kept on storage is described in {@code docs/formats/cbt.md}.
 */
package dev.varve.vdi.cbt;
