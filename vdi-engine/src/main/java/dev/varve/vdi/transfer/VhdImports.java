// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.vhd.VhdFooter;

/** Tells which kind of VHD a stream is, which its first sector says. */
final class VhdImports {
    private VhdImports() {}

    /** Reads the first sector: a footer in a dynamic image, the disk's own in a fixed one. */
    static StreamImport open(StreamInput input) {
        byte[] first = input.bytes(VhdFooter.BYTES, "the first sector");
        if (!VhdFooter.isFooter(first)) {
            return new FixedVhdImport(input, first);
        }
        VhdFooter footer =
                StreamInput.parse(
                        "the footer", 0, () -> VhdFooter.parse(first, "the footer at the start"));
        return footer.type() == VhdFooter.Type.FIXED
                ? new FixedVhdImport(input, first)
                : new DynamicVhdImport(input, footer);
    }
}
