// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.image.BlockAccess;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/**
 * Tells which image of a chain holds which part of a disk, from the files alone.
 *
 * <p><b>Threads:</b> one at a time; calls block.
 */
public final class VhdMap {
    /** Told the parts of a disk in order. */
    @FunctionalInterface
    public interface Runs {
        /**
         * @param layer where the part is, counted from the top, or {@link #ZERO}
         */
        void run(long offset, long length, int layer);
    }

    /** No image has the part: it reads as zero. */
    public static final int ZERO = -1;

    private static final int SECTOR = 512;
    private static final int WINDOW_SECTORS = (2 << 20) / SECTOR;

    private final List<Source> sources;
    private final Runs runs;
    private final int[] owners = new int[WINDOW_SECTORS];
    private long runFrom;
    private int runOwner = ZERO;

    private VhdMap(List<VhdChain.Layer> layers, Runs runs) {
        this.sources = layers.stream().map(Source::new).toList();
        this.runs = runs;
    }

    /**
     * Tells the parts of the disk that the first of the layers shows.
     *
     * @param layers from the top to the bottom
     */
    public static void tell(List<VhdChain.Layer> layers, Runs runs) {
        new VhdMap(layers, runs).tellAll(layers.getFirst().sizeBytes());
    }

    private void tellAll(long size) {
        long windowBytes = (long) WINDOW_SECTORS * SECTOR;
        for (long at = 0; at < size; at += windowBytes) {
            int sectors = (int) (Math.min(windowBytes, size - at) / SECTOR);
            Arrays.fill(owners, ZERO);
            int open = sectors;
            for (int i = 0; i < sources.size() && open > 0; i++) {
                open -= sources.get(i).take(owners, at / SECTOR, sectors, i);
            }
            note(at, sectors);
        }
        if (runFrom < size) {
            runs.run(runFrom, size - runFrom, runOwner);
        }
    }

    private void note(long from, int sectors) {
        for (int i = 0; i < sectors; i++) {
            long at = from + (long) i * SECTOR;
            if (owners[i] != runOwner) {
                if (at > runFrom) {
                    runs.run(runFrom, at - runFrom, runOwner);
                }
                runFrom = at;
                runOwner = owners[i];
            }
        }
    }

    /** One layer, of whose metadata it keeps what was needed last. */
    private static final class Source {
        private static final int PAGE_BYTES = 4096;

        private final VhdChain.Layer layer;
        private final BlockAccess access;
        private final VhdHeader header;
        private final long sizeSectors;
        private final byte[] full;
        private ByteBuffer page;
        private long pageIndex = -1;
        private byte[] bitmap;
        private int bitmapBlock = -1;

        Source(VhdChain.Layer layer) {
            this.layer = layer;
            this.access = layer.access();
            this.sizeSectors = layer.sizeBytes() / SECTOR;
            this.header = layer.image() == null ? null : layer.image().header();
            this.full = header == null ? null : layer.image().readFull(access);
        }

        /** Takes the sectors of a window that nobody has yet; tells how many. */
        int take(int[] owners, long from, int sectors, int index) {
            int count = Math.clamp(sizeSectors - from, 0, sectors);
            if (header == null) {
                return takeAll(owners, 0, count, index);
            }
            int perBlock = header.blockBytes() / SECTOR;
            int taken = 0;
            int at = 0;
            while (at < count) {
                int block = (int) ((from + at) / perBlock);
                int within = (int) ((from + at) % perBlock);
                int end = Math.min(count, at + perBlock - within);
                taken += takeOfBlock(owners, at, end, index, block, within);
                at = end;
            }
            return taken;
        }

        private int takeOfBlock(int[] owners, int at, int end, int index, int block, int within) {
            int entry = entry(block);
            if (entry == VhdImage.UNUSED) {
                return 0;
            }
            if ((full[block >> 3] & 0x80 >> (block & 7)) != 0) {
                return takeAll(owners, at, end, index);
            }
            byte[] bits = bitmap(block, Integer.toUnsignedLong(entry));
            int taken = 0;
            for (int i = at; i < end; i++) {
                int sector = within + i - at;
                if (owners[i] == ZERO && (bits[sector >> 3] & 0x80 >> (sector & 7)) != 0) {
                    owners[i] = index;
                    taken++;
                }
            }
            return taken;
        }

        private static int takeAll(int[] owners, int at, int end, int index) {
            int taken = 0;
            for (int i = at; i < end; i++) {
                if (owners[i] == ZERO) {
                    owners[i] = index;
                    taken++;
                }
            }
            return taken;
        }

        private int entry(int block) {
            long at = 4L * block;
            if (pageIndex != at / PAGE_BYTES) {
                pageIndex = at / PAGE_BYTES;
                long from = pageIndex * PAGE_BYTES;
                int length = (int) Math.min(PAGE_BYTES, header.tableBytes() - from);
                page = ByteBuffer.wrap(access.read(header.tableOffset() + from, length));
            }
            return page.getInt((int) (at % PAGE_BYTES));
        }

        private byte[] bitmap(int block, long sector) {
            if (bitmapBlock != block) {
                long volume = layer.image().volumeBytes();
                long end = sector * SECTOR + header.bitmapBytes() + header.blockBytes();
                if (end > volume) {
                    throw VhdFooter.invalid(
                            "the table of " + layer.name(),
                            "puts block %d at sector %d, past the end of the volume"
                                    .formatted(block, sector));
                }
                bitmap = access.read(sector * SECTOR, header.bitmapBytes());
                bitmapBlock = block;
            }
            return bitmap;
        }
    }
}
