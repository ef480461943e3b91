// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.time.Clock;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Images that are damaged, or made to do damage. Whatever they hold: they open with the right size
 * and table, or they are refused with VDI_LOAD.
 */
class VhdDamageTest {
    private static final int BLOCK = 64 << 10;
    private static final int DISK = 8 * BLOCK;

    private final VhdFormat format = new VhdFormat(Clock.system());

    private static byte[] data(int seed) {
        byte[] data = new byte[BLOCK];
        new Random(seed).nextBytes(data);
        return data;
    }

    private static VhdImageBuilder builder() {
        return new VhdImageBuilder(DISK).blockBytes(BLOCK).block(1, data(1)).block(5, data(5));
    }

    /** The image, or null when it was refused in the way that it should be. */
    private VhdImage read(byte[] image, String what) {
        try {
            format.open(new MemoryAccess(image.clone()), true);
            format.inspect(new MemoryAccess(image));
            return VhdImage.read(new MemoryAccess(image));
        } catch (StorageException e) {
            assertEquals(ErrorCode.VDI_LOAD, e.code(), what + ": " + e.getMessage());
            return null;
        } catch (RuntimeException | Error e) {
            throw new AssertionError(what + " gave " + e, e);
        }
    }

    private static int[] table(byte[] image) {
        MemoryAccess access = new MemoryAccess(image);
        VhdImage found = VhdImage.read(access);
        int[] table = new int[found.header().blocks(found.footer().currentSize())];
        Arrays.fill(table, VhdImage.UNUSED);
        VhdTable.forEach(
                access,
                found,
                (block, entry) -> {
                    table[block] = entry;
                    return 0;
                });
        return table;
    }

    /** The first eight bits of the batmap. */
    private static byte full(byte[] image) {
        MemoryAccess access = new MemoryAccess(image);
        return VhdImage.read(access).readFull(access)[0];
    }

    private void assertRefused(byte[] image, String what) {
        if (read(image, what) != null) {
            throw new AssertionError(what + " was accepted");
        }
    }

    private static byte[] changed(byte[] image, Consumer<ByteBuffer> change) {
        byte[] copy = image.clone();
        change.accept(ByteBuffer.wrap(copy));
        return copy;
    }

    @Test
    void survivesEverySingleBitFlipOfFootersAndHeader() {
        byte[] image = builder().build();
        int[] table = table(image);
        int[] starts = {0, 512, 1024, image.length - 512};
        for (int start : starts) {
            for (int bit = 0; bit < 512 * 8; bit++) {
                int at = start + bit / 8;
                image[at] ^= (byte) (1 << bit % 8);
                VhdImage found = read(image, "bit " + bit + " of the sector at " + start);
                boolean header = start == 512 || start == 1024;
                assertEquals(header, found == null, "bit " + bit + " of the sector at " + start);
                if (found != null) {
                    assertEquals(DISK, found.footer().currentSize());
                    assertArrayEquals(table, table(image));
                    assertFalse(found.closed());
                }
                image[at] ^= (byte) (1 << bit % 8);
            }
        }
    }

    /** As a program would that writes nonsense and gets the checksum right. */
    @Test
    void survivesEverySingleBitFlipUnderARightChecksum() {
        byte[] image = builder().build();
        int opened = 0;
        for (int bit = 0; bit < 1536 * 8; bit++) {
            byte[] copy = image.clone();
            copy[bit / 8] ^= (byte) (1 << bit % 8);
            if (bit < 512 * 8) {
                VhdImageBuilder.sealFooter(copy, 0);
                System.arraycopy(copy, 0, copy, copy.length - 512, 512);
            } else {
                VhdImageBuilder.sealHeader(copy, 512);
            }
            opened += read(copy, "bit " + bit) == null ? 0 : 1;
        }
        assertTrue(opened > 0, "harmless fields may have any value");
    }

    @Test
    void survivesEveryTruncation() {
        byte[] image = builder().batmap().build();
        for (int length = 0; length < 4096; length++) {
            assertRefused(Arrays.copyOf(image, length), "cut at " + length);
        }
        for (int length = 4096; length < image.length - 512; length += 512 * 31) {
            assertRefused(Arrays.copyOf(image, length), "cut at " + length);
        }
        for (int missing = 1; missing <= 512; missing++) {
            VhdImage found =
                    read(Arrays.copyOf(image, image.length - missing), "without " + missing);
            assertEquals(DISK, found.footer().currentSize());
            assertFalse(found.closed());
        }
    }

    @Test
    void survivesZeroedSectors() {
        byte[] image = builder().batmap().build();
        int metadata = builder().batmap().batmapOffset() + 1024;
        for (int from = 0; from < metadata; from += 512) {
            for (int to = from + 512; to <= metadata; to += 512) {
                byte[] copy = image.clone();
                Arrays.fill(copy, from, to, (byte) 0);
                VhdImage found = read(copy, "zeros from " + from + " to " + to);
                boolean needed = (from < 1024 && to > 512) || (from < 2048 && to > 1536);
                assertEquals(needed, found == null, "zeros from " + from + " to " + to);
            }
        }
        assertRefused(new byte[image.length], "zeros");
    }

    @Test
    void survivesRandomBytesInTheMetadata() {
        byte[] image = builder().batmap().build();
        Random random = new Random(11);
        for (int i = 0; i < 3000; i++) {
            byte[] copy = image.clone();
            for (int n = random.nextInt(6); n >= 0; n--) {
                copy[random.nextInt(4096)] = (byte) random.nextInt();
            }
            VhdImageBuilder.sealHeader(copy, 512);
            if (random.nextBoolean()) {
                VhdImageBuilder.sealFooter(copy, 0);
            }
            read(copy, "try " + i);
        }
    }

    @Test
    void refusesBlocksThatOverlapOrLieElsewhere() {
        byte[] image = builder().build();
        int sectors = BLOCK / 512 + 1;
        int first = ByteBuffer.wrap(image).getInt(1536 + 4);
        int[] wrong = {
            0,
            1,
            3,
            4 - 1,
            first + 1,
            first - 1,
            first + sectors - 1,
            first + 2 * sectors,
            -2,
            Integer.MAX_VALUE,
            Integer.MIN_VALUE,
            image.length / 512 - 1
        };
        for (int entry : wrong) {
            assertRefused(changed(image, out -> out.putInt(1536 + 8, entry)), "entry " + entry);
        }
        assertRefused(changed(image, out -> out.putInt(1536 + 8, first)), "the same entry twice");
    }

    @Test
    void refusesImpossibleSizes() {
        byte[] image = builder().build();
        long[] wrong = {
            0, -1, 511, 513, 1L << 61, Long.MAX_VALUE, Long.MIN_VALUE, (2040L << 30) + 512
        };
        for (long size : wrong) {
            byte[] copy = changed(image, out -> out.putLong(48, size));
            VhdImageBuilder.sealFooter(copy, 0);
            assertRefused(copy, "size " + size);
            System.arraycopy(copy, 0, copy, copy.length - 512, 512);
            assertRefused(copy, "size " + size);
        }
    }

    @Test
    void refusesImpossibleTables() {
        byte[] image = builder().build();
        for (int entries : new int[] {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE, 7, 1 << 20}) {
            byte[] copy = changed(image, out -> out.putInt(512 + 28, entries));
            VhdImageBuilder.sealHeader(copy, 512);
            assertRefused(copy, "a table of " + Integer.toUnsignedString(entries));
        }
        long[] offsets = {
            0,
            1,
            512,
            1024,
            1535,
            -512,
            0x7FFF_FFFF_FFFF_FE00L,
            0x7FFF_FFFF_FFFF_F000L,
            image.length
        };
        for (long offset : offsets) {
            byte[] copy = changed(image, out -> out.putLong(512 + 16, offset));
            VhdImageBuilder.sealHeader(copy, 512);
            assertRefused(copy, "a table at " + offset);
        }
        for (int block :
                new int[] {0, 1, 511, 512, 65535, 3 << 19, 1 << 30, Integer.MIN_VALUE, -1}) {
            byte[] copy = changed(image, out -> out.putInt(512 + 32, block));
            VhdImageBuilder.sealHeader(copy, 512);
            assertRefused(copy, "blocks of " + block);
        }
        long[] headers = {0, 256, 513, 1024, -1, 0x7FFF_FFFF_FFFF_FE00L, image.length - 512};
        for (long at : headers) {
            byte[] copy = changed(image, out -> out.putLong(16, at));
            VhdImageBuilder.sealFooter(copy, 0);
            assertRefused(copy, "a header at " + at);
        }
    }

    @Test
    void refusesAnEncryptedImage() {
        VhdImageBuilder builder = builder().batmap();
        byte[] image = builder.build();
        image[builder.batmapOffset() + 29] = 1;
        StorageException refused =
                assertThrows(StorageException.class, () -> VhdImage.read(new MemoryAccess(image)));
        assertEquals(ErrorCode.VDI_LOAD, refused.code());
        assertTrue(refused.sentence().contains("encrypted"), refused.sentence());
    }

    @Test
    void ignoresABatmapThatCannotBeRight() {
        VhdImageBuilder builder = builder().batmap();
        byte[] image = builder.build();
        int at = builder.batmapOffset();
        assertEquals(0x44, full(image));
        for (int bit = 0; bit < 1024 * 8; bit++) {
            byte[] copy = image.clone();
            copy[at + bit / 8] ^= (byte) (1 << bit % 8);
            VhdImage found = read(copy, "bit " + bit);
            boolean unused = bit >= 28 * 8 && bit < 512 * 8;
            boolean right = found != null && full(copy) == 0x44;
            assertTrue(found == null || right == unused || full(copy) == 0, "bit " + bit);
        }
        for (long offset : new long[] {0, 512, 513, -512, Long.MAX_VALUE - 511, Long.MAX_VALUE}) {
            VhdImage found =
                    read(changed(image, out -> out.putLong(at + 8, offset)), "at " + offset);
            assertEquals(null, found.batmap());
        }
        for (int sectors : new int[] {0, -1, Integer.MAX_VALUE, 1 << 20}) {
            VhdImage found =
                    read(changed(image, out -> out.putInt(at + 16, sectors)), "of " + sectors);
            assertEquals(null, found.batmap());
        }
    }

    /**
     * The opening cut off the footer at the end, as of an image that was not closed. When the first
     * one was damaged, that was the only one left.
     */
    @Test
    void repairsTheFirstFooterBeforeItDropsTheOther() {
        byte[] image = builder().build();
        image[100] ^= 1;
        MemoryAccess access = new MemoryAccess(image);
        ImageLayer layer = format.open(access, true);
        assertArrayEquals(builder().footer().encode(), access.read(0, 512));
        layer.seal(access, false);
        assertArrayEquals(builder().build(), access.content());
    }

    @Test
    void leavesADamagedImageAloneWhenItMayOnlyRead() {
        byte[] image = builder().build();
        image[100] ^= 1;
        MemoryAccess access = new MemoryAccess(image.clone());
        format.open(access, false);
        assertArrayEquals(image, access.content());
    }

    /** A user of a fixed disk copied a dynamic image onto it; sector 0 then is a valid footer. */
    @Test
    void takesAFixedDiskForWhatItIsWhateverItsUserPutThere() {
        byte[] guest = builder().build();
        MemoryAccess access = new MemoryAccess(new byte[0]);
        format.createFixed(access, new java.util.UUID(1, 1), 2 * DISK);
        access.write(0, guest);
        VhdImage found = VhdImage.read(access);
        assertEquals(VhdFooter.Type.FIXED, found.footer().type());
        assertEquals(2 * DISK, found.footer().currentSize());
    }

    @Test
    void keepsAHeaderThatLiesBehindTheTable() {
        MemoryAccess access =
                new MemoryAccess(
                        new VhdImageBuilder(DISK).blockBytes(BLOCK).headerLast().unclean().build());
        ImageLayer layer = format.open(access, true);
        layer.seal(access, false);
        VhdImage found = VhdImage.read(access);
        assertTrue(found.closed());
        assertEquals(DISK, layer.sizeBytes());
    }

    @Test
    void refusesToGrowPastTheBatmap() {
        VhdImageBuilder builder =
                new VhdImageBuilder(DISK).blockBytes(BLOCK).tableEntries(1 << 16).batmap();
        MemoryAccess access = new MemoryAccess(builder.block(0, data(1)).build());
        ImageLayer layer = format.open(access, true);
        layer.resize(access, 4096L * BLOCK);
        StorageException refused =
                assertThrows(StorageException.class, () -> layer.resize(access, 4097L * BLOCK));
        assertEquals(ErrorCode.VDI_RESIZE, refused.code());
        layer.seal(access, false);
        VhdImage found = VhdImage.read(access);
        assertTrue(found.closed());
        assertEquals(0x80, full(access.content()) & 0xFF);
        byte[] kept = access.read((table(access.content())[0] + 1) * 512L, BLOCK);
        assertArrayEquals(data(1), kept);
    }
}
