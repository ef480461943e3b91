// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * SCSI, as far as disks need it: commands (SPC-4, SBC-3) as bytes, and what devices answer, as
 * values. No input or output happens here. What a device sends is checked: nothing is read beyond
 * its end, and no length is believed.
 */
package dev.varve.sr.scsi;
