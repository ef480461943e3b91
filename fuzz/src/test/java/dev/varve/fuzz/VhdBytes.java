// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import dev.varve.sim.FaultPlan;
import dev.varve.sim.Seed;
import dev.varve.sim.SimClock;
import dev.varve.sim.SimContent;
import dev.varve.sim.SimHost;
import dev.varve.sim.Trace;
import dev.varve.vdi.Operation;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.vhd.VhdFooter;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdHeader;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/** Images for fuzz targets. */
final class VhdBytes {
    static final SimClock CLOCK = new SimClock();
    static final VhdFormat FORMAT = new VhdFormat(CLOCK);

    private static final int SECTOR = 512;
    private static final int BLOCK = 64 << 10;
    private static final int TABLE = VhdFooter.BYTES + VhdHeader.BYTES;
    private static final int LARGEST_VOLUME = 4 << 20;

    private VhdBytes() {}

    /** A host with the given bytes on its medium. */
    static SimHost host(SimContent content) {
        return new SimHost(
                CLOCK,
                new Seed(1).stream("medium"),
                FaultPlan.plain(),
                new Trace(),
                content,
                List.of());
    }

    /** An empty image of our own, for a small disk. */
    static SimContent ours(long sizeBytes) {
        try (SimHost host = host(new SimContent(0))) {
            Operation operation = Operation.unbounded("create", CLOCK);
            FORMAT.create(host.access(), ImageSpec.plain(new UUID(1, 2), sizeBytes), operation);
            return host.disk().content().copy();
        }
    }

    /**
     * A small dynamic image: footer, header, a table of one sector, a batmap, a block.
     *
     * @param batmap whether it has a batmap, as blktap's images do
     */
    static byte[] dynamic(boolean batmap) {
        int entries = 8;
        long size = (long) entries * BLOCK;
        int metadataEnd = TABLE + SECTOR + (batmap ? 2 * SECTOR : 0);
        byte[] image = new byte[metadataEnd + SECTOR + BLOCK + SECTOR];
        byte[] footer = footer(size, VhdFooter.Type.DYNAMIC, batmap).encode();
        System.arraycopy(footer, 0, image, 0, SECTOR);
        System.arraycopy(footer, 0, image, image.length - SECTOR, SECTOR);
        VhdHeader header = new VhdHeader(TABLE, entries, BLOCK);
        System.arraycopy(header.encode(), 0, image, SECTOR, VhdHeader.BYTES);
        Arrays.fill(image, TABLE, TABLE + SECTOR, (byte) 0xFF);
        ByteBuffer out = ByteBuffer.wrap(image);
        out.putInt(TABLE + 4, metadataEnd / SECTOR);
        if (batmap) {
            out.putLong(TABLE + SECTOR, 0x7464_6261_746D_6170L);
            out.putLong(TABLE + SECTOR + 8, TABLE + 2 * SECTOR);
            out.putInt(TABLE + SECTOR + 16, 1).putInt(TABLE + SECTOR + 20, 0x10002);
            out.putInt(TABLE + SECTOR + 24, ~0);
        }
        Arrays.fill(image, metadataEnd, metadataEnd + 8, (byte) 0xF0);
        Arrays.fill(image, metadataEnd + SECTOR, metadataEnd + 9 * SECTOR, (byte) 0x55);
        return image;
    }

    /** A small fixed image. */
    static byte[] fixed() {
        byte[] image = new byte[8192 + SECTOR];
        byte[] footer = footer(8192, VhdFooter.Type.FIXED, false).encode();
        System.arraycopy(footer, 0, image, 8192, SECTOR);
        return image;
    }

    static VhdFooter footer(long size, VhdFooter.Type type, boolean tap) {
        return new VhdFooter(
                2,
                type == VhdFooter.Type.FIXED ? VhdFooter.NO_HEADER : VhdFooter.BYTES,
                0x2000_0000,
                tap ? VhdFooter.CREATOR_TAP : 0x7669_7274,
                tap ? VhdFooter.CREATOR_TAP_VERSION : 0x0006_0000,
                0,
                size,
                size,
                0x0200_0411,
                type,
                new UUID(3, 4),
                false,
                false);
    }

    /**
     * An image from the bytes of a fuzzer. The first byte says whether checksums are made right,
     * which a fuzzer does not find by itself, and whether the footer is repeated at the end; the
     * second how much empty space follows.
     */
    static SimContent fromFuzzer(byte[] input) {
        if (input.length < 2) {
            return new SimContent(0);
        }
        byte[] image = Arrays.copyOfRange(input, 2, input.length);
        if ((input[0] & 1) != 0) {
            repair(image);
        }
        long space = (input[1] & 0xFF) * 16384L;
        long size = Math.min(LARGEST_VOLUME, (image.length + space) / SECTOR * SECTOR);
        SimContent content = new SimContent(size);
        content.write(0, image, 0, image.length);
        if ((input[0] & 2) != 0 && size >= SECTOR && image.length >= SECTOR) {
            content.write(size - SECTOR, image, 0, SECTOR);
        }
        return content;
    }

    /** As {@link #fromFuzzer}, for what is no volume: no space follows. */
    static byte[] repaired(byte[] input) {
        byte[] image = Arrays.copyOfRange(input, Math.min(2, input.length), input.length);
        if (input.length > 0 && (input[0] & 1) != 0) {
            repair(image);
        }
        return image;
    }

    /** The input that makes {@link #fromFuzzer} give the image as it is. */
    static byte[] forFuzzer(int flags, byte[] image) {
        byte[] input = new byte[image.length + 2];
        input[0] = (byte) flags;
        System.arraycopy(image, 0, input, 2, image.length);
        return input;
    }

    private static void repair(byte[] image) {
        ByteBuffer bytes = ByteBuffer.wrap(image);
        repair(bytes, 0, VhdFooter.BYTES, 64);
        repair(bytes, image.length / SECTOR * SECTOR - SECTOR, VhdFooter.BYTES, 64);
        if (image.length < VhdFooter.BYTES) {
            return;
        }
        long header = bytes.getLong(16);
        if (header > 0 && header <= image.length - VhdHeader.BYTES) {
            repair(bytes, (int) header, VhdHeader.BYTES, 36);
        }
    }

    private static void repair(ByteBuffer bytes, int at, int length, int checksumAt) {
        if (at < 0 || at + length > bytes.capacity()) {
            return;
        }
        int sum = 0;
        for (int i = 0; i < length; i++) {
            boolean counts = i < checksumAt || i >= checksumAt + 4;
            sum += counts ? bytes.get(at + i) & 0xFF : 0;
        }
        bytes.putInt(at + checksumAt, ~sum);
    }
}
