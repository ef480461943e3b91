// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

/**
 * What the target says of a logical unit (SBC-3: READ CAPACITY (16), VPD pages B0h and B2h).
 *
 * @param blocks how many logical blocks it has
 * @param blockBytes how large a logical block is, in bytes: 512 or 4096
 * @param physicalBlockBytes what the medium writes at once, in bytes
 * @param writable whether it may be written
 * @param mostTransferBytes how much one read or write may move, in bytes
 * @param unmapBlocks how many blocks one UNMAP may name; 0 when it cannot do this
 * @param writeSameBlocks how many blocks one WRITE SAME (16) may name; 0 when it cannot do this
 * @param unmapsBySame whether a WRITE SAME (16) may give the space back
 * @param unmappedIsZero whether space that was given back reads as zero
 */
public record LunShape(
        long blocks,
        int blockBytes,
        int physicalBlockBytes,
        boolean writable,
        int mostTransferBytes,
        long unmapBlocks,
        long writeSameBlocks,
        boolean unmapsBySame,
        boolean unmappedIsZero) {
    private static final int MOST_BLOCK_BYTES = 4096;

    /** Checks the shape. */
    public LunShape {
        boolean blockFits = blockBytes == 512 || blockBytes == MOST_BLOCK_BYTES;
        if (blocks < 0 || !blockFits || mostTransferBytes < blockBytes) {
            throw new IllegalArgumentException("shape of a logical unit");
        }
    }

    /** How large it is in bytes. */
    public long sizeBytes() {
        return blocks * blockBytes;
    }

    /** The same with another number of blocks. */
    public LunShape withBlocks(long newBlocks) {
        return new LunShape(
                newBlocks,
                blockBytes,
                physicalBlockBytes,
                writable,
                mostTransferBytes,
                unmapBlocks,
                writeSameBlocks,
                unmapsBySame,
                unmappedIsZero);
    }

    /** The same without WRITE SAME (16). */
    public LunShape withoutWriteSame() {
        return new LunShape(
                blocks,
                blockBytes,
                physicalBlockBytes,
                writable,
                mostTransferBytes,
                unmapBlocks,
                0,
                false,
                unmappedIsZero);
    }
}
