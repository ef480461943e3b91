// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Disks as streams, out and in: raw, VHD and, on the way in, stream-optimised VMDK. A stream is
 * read or written once from its start to its end, with memory that does not grow with the disk's
 * data.
 */
package dev.varve.vdi.transfer;
