// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.Operation;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.FlatLayer;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.time.Clock;

import java.util.Arrays;
import java.util.Optional;
import java.util.UUID;

/**
 * The VHD format. New images are dynamic, have blocks of 2 MiB whose data begins at 4 KiB
 * boundaries, a batmap, and a table with room for 2 TiB, so that growing a disk changes only its
 * footers.
 */
public final class VhdFormat implements ImageFormat {
    /** Sizes of disks are multiples of this, in bytes. */
    public static final long UNIT_BYTES = 2L << 20;

    private static final int MAX_TABLE_ENTRIES = 1 << 20;
    private static final int TABLE_OFFSET = VhdFooter.BYTES + VhdHeader.BYTES;
    private static final int CHUNK_BYTES = 1 << 20;

    private final Clock clock;

    /**
     * @param clock for the creation time in the footer
     */
    public VhdFormat(Clock clock) {
        this.clock = clock;
    }

    @Override
    public String name() {
        return "vhd";
    }

    @Override
    public long roundUp(long sizeBytes) {
        return (sizeBytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
    }

    @Override
    public long minimumBytes() {
        return UNIT_BYTES;
    }

    @Override
    public long maximumBytes() {
        return VhdImage.MAXIMUM_BYTES;
    }

    @Override
    public boolean probe(BlockAccess access) {
        long size = access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES;
        return size >= VhdFooter.BYTES
                && (VhdFooter.isFooter(access.read(0, VhdFooter.BYTES))
                        || VhdFooter.isFooter(
                                access.read(size - VhdFooter.BYTES, VhdFooter.BYTES)));
    }

    @Override
    public ImageInfo inspect(BlockAccess access) {
        VhdImage image = VhdImage.read(access);
        return new ImageInfo(
                name(),
                image.footer().currentSize(),
                Optional.of(image.footer().uuid()),
                Optional.empty(),
                image.footer().hidden(),
                image.clean());
    }

    @Override
    public long emptyVolumeBytes(long sizeBytes) {
        return Batmap.initial(newHeader()).end() + VhdFooter.BYTES;
    }

    private static VhdHeader newHeader() {
        return new VhdHeader(
                TABLE_OFFSET,
                MAX_TABLE_ENTRIES,
                VhdHeader.DEFAULT_BLOCK_BYTES,
                VhdHeader.NO_PARENT,
                0);
    }

    @Override
    public void create(BlockAccess access, UUID uuid, long sizeBytes, Operation operation) {
        VhdHeader header = newHeader();
        VhdFooter footer = newFooter(uuid, sizeBytes, VhdFooter.Type.DYNAMIC, VhdFooter.BYTES);
        Batmap batmap = Batmap.initial(header);
        access.grow(batmap.end() + VhdFooter.BYTES);
        access.shrink(batmap.end() + VhdFooter.BYTES);
        byte[] unused = new byte[CHUNK_BYTES];
        Arrays.fill(unused, (byte) 0xFF);
        long table = header.tableBytes();
        for (long at = 0; at < table; at += CHUNK_BYTES) {
            operation.checkpoint();
            int length = (int) Math.min(CHUNK_BYTES, table - at);
            access.write(header.tableOffset() + at, Arrays.copyOf(unused, length));
            operation.progress(at + length, table);
        }
        byte[] bits = new byte[Batmap.usedBytes(sizeBytes, header.blockBytes())];
        access.write(Batmap.headerOffset(header), batmap.encode(bits));
        access.zero(batmap.offset() + bits.length, 512L * batmap.sectors() - bits.length);
        access.write(batmap.offset(), bits); // takes the space that closing will need
        access.write(VhdFooter.BYTES, header.encode());
        access.write(lastSector(access), footer.encode());
        access.write(0, footer.encode());
        access.flush();
    }

    /** Where readers look for the footer: the last sector of the volume, however large that is. */
    static long lastSector(BlockAccess access) {
        return access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES - VhdFooter.BYTES;
    }

    /** Writes an empty fixed image: zeros and a footer. The volume reads as zero before. */
    public void createFixed(BlockAccess access, UUID uuid, long sizeBytes) {
        VhdFooter footer = newFooter(uuid, sizeBytes, VhdFooter.Type.FIXED, VhdFooter.NO_HEADER);
        access.grow(sizeBytes + VhdFooter.BYTES);
        access.shrink(sizeBytes + VhdFooter.BYTES);
        access.write(lastSector(access), footer.encode());
        access.flush();
    }

    private VhdFooter newFooter(UUID uuid, long sizeBytes, VhdFooter.Type type, long dataOffset) {
        int timestamp = (int) (clock.epochMillis() / 1000 - VhdFooter.EPOCH_SECONDS);
        return new VhdFooter(
                VhdFooter.FEATURES,
                dataOffset,
                timestamp,
                VhdFooter.CREATOR_TAP,
                VhdFooter.CREATOR_TAP_VERSION,
                0,
                sizeBytes,
                sizeBytes,
                VhdGeometry.of(sizeBytes),
                type,
                uuid,
                false,
                false);
    }

    /**
     * Removes what lies behind the last block: it was never acknowledged and must not shine through
     * in the blocks that come next. The last sector of the volume is never a guest's, at no moment,
     * because a guest could make it look like a footer.
     */
    private static void cutOff(BlockAccess access, long dataEnd) {
        access.grow(dataEnd + VhdFooter.BYTES);
        access.zero(dataEnd, VhdFooter.BYTES);
        access.flush();
        access.shrink(dataEnd + VhdFooter.BYTES);
        access.flush();
    }

    @Override
    public ImageLayer open(BlockAccess access, boolean writable) {
        VhdImage image = VhdImage.read(access);
        if (image.footer().type() == VhdFooter.Type.FIXED) {
            return new FlatLayer(
                    image.footer().currentSize(),
                    "a fixed VHD keeps its size; copy it to a new disk to make it larger");
        }
        if (writable && !image.firstInOrder()) {
            // The footer at the end goes next; without this one nothing would say what the disk is.
            access.write(0, image.footer().encode());
            access.flush();
        }
        if (writable && !image.clean()) {
            cutOff(access, image.dataEnd());
        }
        return new VhdLayer(image, access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES);
    }
}
