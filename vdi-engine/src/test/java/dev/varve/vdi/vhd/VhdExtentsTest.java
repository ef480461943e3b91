// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.time.Clock;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.Arrays;
import java.util.UUID;

/**
 * Images in volumes that consist of whole extents: what is the last sector after one of them was
 * cut off lies in the middle of what was behind the blocks, and may be what a guest wrote.
 */
class VhdExtentsTest {
    private static final int EXTENT = 4 << 20;

    /** The smallest volume that an image fits in. */
    private static final int SMALLEST = 2 * EXTENT;

    private static final long DISK = 64 << 20;

    private final VhdFormat format = new VhdFormat(Clock.system());
    private final Operation operation = Operation.unbounded("test", Clock.system());
    private final Extents volume = new Extents();

    /** Goes off when a volume has been cut off. */
    private static final class PowerLoss extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** A volume of whole extents in memory. */
    private static final class Extents implements BlockAccess {
        private final MemoryAccess memory = new MemoryAccess(new byte[0]);
        private boolean losesPower;
        private boolean unflushed;

        private static long extents(long bytes) {
            return (bytes + EXTENT - 1) / EXTENT * EXTENT;
        }

        @Override
        public long sizeBytes() {
            return memory.sizeBytes();
        }

        @Override
        public byte[] read(long offset, int length) {
            return memory.read(offset, length);
        }

        @Override
        public void write(long offset, byte[] data) {
            grow(offset + data.length);
            memory.write(offset, data);
            unflushed = true;
        }

        @Override
        public void zero(long offset, long length) {
            memory.zero(offset, length);
            unflushed = true;
        }

        @Override
        public void flush() {
            unflushed = false;
        }

        @Override
        public void grow(long sizeBytes) {
            memory.grow(extents(sizeBytes));
        }

        @Override
        public void shrink(long sizeBytes) {
            boolean shrinks = sizeAfterShrink(sizeBytes) < sizeBytes();
            assertFalse(shrinks && unflushed, "what is to be the last sector is durable before");
            memory.shrink(extents(sizeBytes));
            if (losesPower) {
                throw new PowerLoss();
            }
        }

        @Override
        public long sizeAfterShrink(long sizeBytes) {
            return Math.min(extents(sizeBytes), sizeBytes());
        }
    }

    /** A sector that says that a volume of two extents is a fixed disk. */
    private byte[] footerOfFixedDisk() {
        MemoryAccess fixed = new MemoryAccess(new byte[0]);
        format.createFixed(fixed, new UUID(6, 6), SMALLEST - VhdFooter.BYTES);
        return fixed.read(SMALLEST - VhdFooter.BYTES, VhdFooter.BYTES);
    }

    /** An image with four extents, of which a guest has written all that lies behind its blocks. */
    @BeforeEach
    void create() {
        format.create(volume, ImageSpec.plain(new UUID(1, 1), DISK), operation);
        assertEquals(SMALLEST, volume.sizeBytes());
        byte[] end = volume.read(SMALLEST - VhdFooter.BYTES, VhdFooter.BYTES);
        volume.grow(2 * SMALLEST);
        byte[] sector = footerOfFixedDisk();
        long dataEnd = VhdTable.read(volume, VhdImage.read(volume), new byte[512]).dataEnd();
        for (long at = dataEnd; at < 2 * SMALLEST; at += VhdFooter.BYTES) {
            volume.write(at, sector);
        }
        volume.write(2 * SMALLEST - VhdFooter.BYTES, end);
    }

    private void assertStillTheImage() {
        VhdFooter footer = VhdImage.read(volume).footer();
        assertEquals(VhdFooter.Type.DYNAMIC, footer.type());
        assertEquals(DISK, footer.currentSize());
    }

    @Test
    void whatWasNeverAcknowledgedIsNoFooterAfterACrashOfTheRepair() {
        volume.zero(2 * SMALLEST - VhdFooter.BYTES, VhdFooter.BYTES); // it was being written
        volume.losesPower = true;
        assertThrows(PowerLoss.class, () -> format.open(volume, true));
        assertEquals(SMALLEST, volume.sizeBytes());
        assertStillTheImage();
        volume.losesPower = false;
        format.open(volume, true);
        assertStillTheImage();
    }

    @Test
    void whatWasNeverAcknowledgedIsNoFooterAfterACrashOfClosing() {
        ImageLayer layer = format.open(volume, true);
        volume.losesPower = true;
        assertThrows(PowerLoss.class, () -> layer.seal(volume, true));
        assertEquals(SMALLEST, volume.sizeBytes());
        assertStillTheImage();
    }

    @Test
    void theFooterIsInTheLastSectorOfTheLastExtent() {
        ImageLayer layer = format.open(volume, true);
        layer.seal(volume, true);
        assertEquals(SMALLEST, volume.sizeBytes());
        byte[] last = volume.read(SMALLEST - VhdFooter.BYTES, VhdFooter.BYTES);
        assertArrayEquals(volume.read(0, VhdFooter.BYTES), last);
        assertTrue(format.inspect(volume).clean());
        assertTrue(format.inspect(volume).hidden());
    }

    /** A volume that has grown since the image was put in order has its footer in no good place. */
    @Test
    void anImageIsPutInOrderAgainWhenOnlyItsVolumeHasGrown() {
        ImageLayer layer = format.open(volume, true);
        layer.seal(volume, false);
        volume.grow(3 * SMALLEST);
        layer.seal(volume, false);
        assertTrue(format.inspect(volume).clean());
        assertTrue(Arrays.equals(volume.read(0, 512), volume.read(volume.sizeBytes() - 512, 512)));
    }
}
