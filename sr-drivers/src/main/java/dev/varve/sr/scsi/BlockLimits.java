// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/**
 * What commands may not exceed (SBC-3, 6.5.3); 0 where the device names no limit, but for the two
 * of UNMAP, where 0 means that there is no UNMAP.
 *
 * <table>
 * <caption>Page B0, offsets with its header, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>6</td><td>2</td><td>transfers should be a multiple of so many blocks</td></tr>
 * <tr><td>8</td><td>4</td><td>most blocks of a transfer</td></tr>
 * <tr><td>12</td><td>4</td><td>best size of a transfer, in blocks</td></tr>
 * <tr><td>20</td><td>4</td><td>most blocks of an UNMAP</td></tr>
 * <tr><td>24</td><td>4</td><td>most ranges of an UNMAP</td></tr>
 * <tr><td>28</td><td>4</td><td>UNMAP works on so many blocks at once</td></tr>
 * <tr><td>32</td><td>4</td><td>bit 31: the rest counts; where the first such group begins</td></tr>
 * <tr><td>36</td><td>8</td><td>most blocks of a WRITE SAME</td></tr>
 * </table>
 *
 * @param maxTransferBlocks most blocks of a read or write; 0 for no limit
 * @param optimalTransferBlocks best size of a read or write; 0 when not told
 * @param maxUnmapBlocks most blocks of an UNMAP; 0 for no UNMAP
 * @param maxUnmapRanges most ranges of an UNMAP; 0 for no UNMAP
 * @param unmapGranularityBlocks UNMAP works on so many blocks at once; 0 when not told
 * @param unmapAlignmentBlock where the first such group begins
 * @param maxWriteSameBlocks most blocks of a WRITE SAME; 0 for no limit
 */
public record BlockLimits(
        long maxTransferBlocks,
        long optimalTransferBlocks,
        long maxUnmapBlocks,
        long maxUnmapRanges,
        long unmapGranularityBlocks,
        long unmapAlignmentBlock,
        long maxWriteSameBlocks) {
    /** For a device that does not have the page. */
    public static final BlockLimits UNKNOWN = new BlockLimits(0, 0, 0, 0, 0, 0, 0);

    private static final int HEADER = 4;
    private static final int SHORT_PAGE_BYTES = 12;
    private static final int FULL_PAGE_BYTES = 40;
    private static final long ALIGNMENT_COUNTS = 0x80000000L;

    /** Reads page B0; one of SBC-2 is shorter and says nothing of UNMAP. */
    public static BlockLimits parse(byte[] page) throws ScsiDataException {
        ScsiBytes bytes = VitalPages.content(page, VitalPages.BLOCK_LIMITS);
        bytes.require(SHORT_PAGE_BYTES);
        long transfer = bytes.intAt(8 - HEADER);
        long optimal = bytes.intAt(12 - HEADER);
        if (bytes.length() < FULL_PAGE_BYTES) {
            return new BlockLimits(transfer, optimal, 0, 0, 0, 0, 0);
        }
        long alignment = bytes.intAt(32 - HEADER);
        long writeSame = bytes.longAt(36 - HEADER);
        return new BlockLimits(
                transfer,
                optimal,
                bytes.intAt(20 - HEADER),
                bytes.intAt(24 - HEADER),
                bytes.intAt(28 - HEADER),
                (alignment & ALIGNMENT_COUNTS) != 0 ? alignment & ~ALIGNMENT_COUNTS : 0,
                writeSame < 0 ? Long.MAX_VALUE : writeSame);
    }
}
