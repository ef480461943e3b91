// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.List;

/**
 * Bytes that are to be written to a volume. Several of them may not all be there after a crash, so
 * they are kept in a journal first; writing them again does no harm.
 *
 * @param offset where, in bytes; a multiple of 512
 * @param bytes what; whole sectors
 */
public record ImagePatch(long offset, byte[] bytes) {
    /** Writes patches in their order and makes them durable. Blocks. */
    public static void apply(List<ImagePatch> patches, BlockAccess access) {
        for (ImagePatch patch : patches) {
            access.write(patch.offset(), patch.bytes());
        }
        access.flush();
    }
}
