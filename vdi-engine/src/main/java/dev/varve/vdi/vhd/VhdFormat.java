// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.FlatLayer;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.time.Clock;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
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
    private static final int FIXED_BYTES = 3072;
    private static final int PAGE_BYTES = 4096;

    /** In the order of blktap's libvhd. */
    private static final List<Integer> LOCATOR_CODES =
            List.of(ParentLocator.MACX, ParentLocator.W2KU, ParentLocator.W2RU);

    /** Longer than the name of a file can be in any notation here but UTF-16 of 248 letters. */
    private static final int LOCATOR_ROOM = 512;

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

    /**
     * As the reference stack reckons, whose thick disks have volumes of this size: the metadata of
     * an image with room in its table for 2 TiB, and of each block its data and a page, of which
     * the bitmap is a part.
     *
     * <table>
     * <caption>what it is made of</caption>
     * <tr><th>bytes</th><th>for</th></tr>
     * <tr><td>3072</td><td>footers, header, header of the batmap</td></tr>
     * <tr><td>4 for each block of 2 TiB, rounded up to 512</td><td>table</td></tr>
     * <tr><td>1/8 for each block of 2 TiB; then all so far is rounded up to 4096</td><td>batmap; the
     * rounding has room for the names of a parent</td></tr>
     * <tr><td>2 MiB + 4096 for each block of the disk</td><td>data and bitmaps</td></tr>
     * </table>
     */
    @Override
    public long fullBytes(long sizeBytes) {
        long table = FIXED_BYTES + 4L * MAX_TABLE_ENTRIES;
        long metadata = (table + MAX_TABLE_ENTRIES / 8 + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        return metadata + roundUp(sizeBytes) / UNIT_BYTES * (UNIT_BYTES + PAGE_BYTES);
    }

    @Override
    public long emptyBytes(ImageSpec spec) {
        return layout(spec).end() + VhdFooter.BYTES;
    }

    @Override
    public boolean probe(BlockAccess access) {
        return looksLikeOne(access);
    }

    static boolean looksLikeOne(BlockAccess access) {
        long size = access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES;
        return size >= VhdFooter.BYTES
                && (VhdFooter.isFooter(access.read(0, VhdFooter.BYTES))
                        || VhdFooter.isFooter(
                                access.read(size - VhdFooter.BYTES, VhdFooter.BYTES)));
    }

    /** Reads the footers, the header and the names of the parent; the table is not looked at. */
    @Override
    public ImageInfo inspect(BlockAccess access) {
        VhdImage image = VhdImage.read(access);
        return info(image, image.closed());
    }

    ImageInfo info(VhdImage image, boolean clean) {
        VhdFooter footer = image.footer();
        return new ImageInfo(
                name(),
                footer.currentSize(),
                image.header() == null ? 0 : image.header().blockBytes(),
                Optional.of(footer.uuid()),
                Optional.ofNullable(image.parent()),
                footer.hidden(),
                clean);
    }

    @Override
    public boolean hasParents() {
        return true;
    }

    @Override
    public boolean isEmpty(BlockAccess access) {
        VhdImage image = VhdImage.read(access);
        if (image.header() == null) {
            return false;
        }
        boolean[] used = new boolean[1];
        VhdTable.forEach(
                access,
                image,
                (block, entry) -> {
                    used[0] = true;
                    return 1;
                });
        return !used[0];
    }

    /**
     * The footer at the end of a fixed image is the only one, so its role changes with one sector;
     * in the others that sector is written when the image is closed.
     */
    @Override
    public List<ImagePatch> patches(BlockAccess access, ImageRole role) {
        VhdImage image = VhdImage.read(access);
        if (image.header() != null) {
            return new VhdRole(access, image, now()).patches(role);
        }
        if (role.parent().isPresent()) {
            throw ErrorCode.VDI_SNAPSHOT.because("a fixed VHD rests on no other image");
        }
        VhdFooter footer =
                image.footer().withRole(VhdFooter.Type.FIXED, role.uuid(), role.hidden());
        return footer.equals(image.footer())
                ? List.of()
                : List.of(new ImagePatch(lastSector(access), footer.encode()));
    }

    /** What a new image consists of before its first block. */
    private record Layout(VhdHeader header, Batmap batmap, List<byte[]> names, long end) {}

    private Layout layout(ImageSpec spec) {
        long blocks =
                (Math.min(spec.maximumBytes(), (long) MAX_TABLE_ENTRIES * UNIT_BYTES)
                                + UNIT_BYTES
                                - 1)
                        / UNIT_BYTES;
        VhdHeader plain = new VhdHeader(TABLE_OFFSET, (int) blocks, VhdHeader.DEFAULT_BLOCK_BYTES);
        Batmap batmap = Batmap.initial(plain);
        if (spec.parent().isEmpty()) {
            return new Layout(plain, batmap, List.of(), batmap.end());
        }
        ParentLink parent = spec.parent().get();
        List<ParentLocator> locators = new ArrayList<>();
        List<byte[]> names = new ArrayList<>();
        long end = addLocators(parent, batmap.end(), locators, names);
        VhdHeader header =
                new VhdHeader(
                        plain.tableOffset(),
                        plain.maxTableEntries(),
                        plain.blockBytes(),
                        parent.imageUuid(),
                        now(),
                        parent.names().getFirst(),
                        locators);
        return new Layout(header, batmap, names, end);
    }

    /**
     * Lays out the names of a parent.
     *
     * @param from where their room begins, in bytes
     * @return where it ends
     */
    static long addLocators(
            ParentLink parent, long from, List<ParentLocator> locators, List<byte[]> names) {
        long end = from;
        for (int code : LOCATOR_CODES) {
            byte[] bytes = ParentLocator.encodeName(code, parent.names().getFirst());
            locators.add(new ParentLocator(code, LOCATOR_ROOM, bytes.length, end));
            names.add(Arrays.copyOf(bytes, LOCATOR_ROOM));
            end += LOCATOR_ROOM;
        }
        return end;
    }

    /**
     * The layout of an image that is written once from its start to its end.
     *
     * @param parent what it rests on, if on something
     * @param blocks which blocks of 2 MiB it is going to have
     */
    public VhdStream stream(UUID uuid, long sizeBytes, Optional<ParentLink> parent, BitSet blocks) {
        VhdFooter.Type type =
                parent.isEmpty() ? VhdFooter.Type.DYNAMIC : VhdFooter.Type.DIFFERENCING;
        VhdFooter footer = newFooter(uuid, sizeBytes, type, VhdFooter.BYTES);
        return VhdStream.of(footer, now(), parent, blocks);
    }

    /** In few large writes: each takes its time, however small it is. */
    @Override
    public void create(BlockAccess access, ImageSpec spec, Operation operation) {
        Layout layout = layout(spec);
        VhdHeader header = layout.header();
        Batmap batmap = layout.batmap();
        VhdFooter.Type type =
                spec.parent().isEmpty() ? VhdFooter.Type.DYNAMIC : VhdFooter.Type.DIFFERENCING;
        byte[] footer = newFooter(spec.uuid(), spec.sizeBytes(), type, VhdFooter.BYTES).encode();
        access.grow(layout.end() + VhdFooter.BYTES);
        access.shrink(layout.end() + VhdFooter.BYTES);
        int usedBits = Batmap.usedBytes(spec.sizeBytes(), header.blockBytes());
        writeStart(access, start(footer, header, batmap, usedBits), operation);
        long end = batmap.offset() + usedBits;
        if (end < batmap.end()) {
            access.zero(end, batmap.end() - end);
        }
        if (!layout.names().isEmpty()) {
            long first = header.locators().getFirst().offset();
            access.write(first, joined(layout.names()));
        }
        access.write(lastSector(access), footer);
        access.flush();
    }

    /**
     * Everything up to the last bit of the batmap that is used: those bits are written, and not
     * only zero, so that they have the space that closing will need.
     */
    private static byte[] start(byte[] footer, VhdHeader header, Batmap batmap, int usedBits) {
        byte[] start = new byte[(int) (batmap.offset() + usedBits)];
        put(start, 0, footer);
        put(start, VhdFooter.BYTES, header.encode());
        int table = (int) header.tableOffset();
        Arrays.fill(start, table, table + (int) header.tableBytes(), (byte) 0xFF);
        put(start, Batmap.headerOffset(header), batmap.encode(new byte[usedBits]));
        return start;
    }

    private static void put(byte[] into, long offset, byte[] bytes) {
        System.arraycopy(bytes, 0, into, (int) offset, bytes.length);
    }

    private static byte[] joined(List<byte[]> names) {
        byte[] all = new byte[names.size() * LOCATOR_ROOM];
        for (int i = 0; i < names.size(); i++) {
            put(all, (long) i * LOCATOR_ROOM, names.get(i));
        }
        return all;
    }

    private static void writeStart(BlockAccess access, byte[] start, Operation operation) {
        for (int at = 0; at < start.length; at += CHUNK_BYTES) {
            operation.checkpoint();
            int end = Math.min(start.length, at + CHUNK_BYTES);
            access.write(at, Arrays.copyOfRange(start, at, end));
            operation.progress(end, start.length);
        }
    }

    /** Where readers look for the footer: the last sector of the volume, however large that is. */
    static long lastSector(BlockAccess access) {
        return wholeSectors(access) - VhdFooter.BYTES;
    }

    /** How large the volume is, in bytes, without a part of a sector at its end. */
    static long wholeSectors(BlockAccess access) {
        return access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES;
    }

    /** Where the last sector is going to be when the volume is cut off there. */
    static long lastSectorAfter(BlockAccess access, long end) {
        long left = Math.max(end, access.sizeAfterShrink(end));
        return left / VhdFooter.BYTES * VhdFooter.BYTES - VhdFooter.BYTES;
    }

    /** Writes an empty fixed image: zeros and a footer. The volume reads as zero before. */
    public void createFixed(BlockAccess access, UUID uuid, long sizeBytes) {
        VhdFooter footer = newFooter(uuid, sizeBytes, VhdFooter.Type.FIXED, VhdFooter.NO_HEADER);
        access.grow(sizeBytes + VhdFooter.BYTES);
        access.shrink(sizeBytes + VhdFooter.BYTES);
        access.write(lastSector(access), footer.encode());
        access.flush();
    }

    private int now() {
        return (int) (clock.epochMillis() / 1000 - VhdFooter.EPOCH_SECONDS);
    }

    private VhdFooter newFooter(UUID uuid, long sizeBytes, VhdFooter.Type type, long dataOffset) {
        return new VhdFooter(
                VhdFooter.FEATURES,
                dataOffset,
                now(),
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
     * because a guest could make it look like a footer; in a store that gives and takes whole
     * extents it lies somewhere in what was never acknowledged.
     */
    private static void cutOff(BlockAccess access, long dataEnd) {
        access.grow(dataEnd + VhdFooter.BYTES);
        access.zero(dataEnd, VhdFooter.BYTES);
        access.zero(lastSectorAfter(access, dataEnd + VhdFooter.BYTES), VhdFooter.BYTES);
        access.flush();
        access.shrink(dataEnd + VhdFooter.BYTES);
        access.flush();
    }

    @Override
    public ImageLayer open(BlockAccess access, boolean writable) {
        VhdImage image = VhdImage.read(access);
        if (image.header() == null) {
            return new FlatLayer(
                    info(image, true),
                    "a fixed VHD keeps its size; copy it to a new disk to make it larger");
        }
        byte[] full = image.readFull(access);
        if (!writable) {
            return new VhdLayer(this, info(image, image.closed()), image, full);
        }
        VhdTable table = VhdTable.read(access, image, full);
        if (!image.firstInOrder()) {
            // The footer at the end goes next; without this one nothing would say what the disk is.
            access.write(0, image.footer().encode());
            access.flush();
        }
        // A guest can write what looks like the footer into the last sector of the last block.
        boolean clean = image.closed() && table.dataEnd() <= image.volumeBytes() - VhdFooter.BYTES;
        if (!clean) {
            cutOff(access, table.dataEnd());
        }
        VhdImage found = image.withVolume(access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES);
        return new VhdLayer(this, info(image, clean), found, full, table);
    }
}
