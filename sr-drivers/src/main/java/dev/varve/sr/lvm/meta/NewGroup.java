// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.ErrorCode;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * A device on the way to be a physical volume with a group of its own. Places and sizes are those
 * of {@code pvcreate --metadatasize 10M} and {@code vgcreate}: the metadata area begins at byte
 * 4096 and reaches up to the first extent, which begins at a whole MiB.
 *
 * <p><b>Durability:</b> the label is written last, when what it names is durable; old labels are
 * gone before anything else is written. A crash leaves no physical volume or a whole one.
 */
final class NewGroup {
    private static final long AREA_OFFSET = 4096;
    private static final long DATA_ALIGNMENT = 1 << 20;
    private static final long MINIMUM_EXTENT_BYTES = 4096;

    private final BlockMedium medium;
    private final Author author;
    private final long dataOffset;
    private final VolumeGroup group;
    private final LvmId pv;

    NewGroup(
            BlockMedium medium,
            String name,
            Author author,
            long metadataBytes,
            long extentBytes,
            List<String> tags) {
        LvmNames.checkGroup(name);
        tags.forEach(LvmNames::checkTag);
        if (extentBytes < MINIMUM_EXTENT_BYTES || Long.bitCount(extentBytes) != 1) {
            throw new IllegalArgumentException(
                    "%d bytes are no size of an extent".formatted(extentBytes));
        }
        this.medium = medium;
        this.author = author;
        this.dataOffset =
                (AREA_OFFSET + metadataBytes + DATA_ALIGNMENT - 1)
                        / DATA_ALIGNMENT
                        * DATA_ALIGNMENT;
        this.pv = LvmId.random(author.random());
        this.group = group(name, extentBytes, tags);
    }

    private VolumeGroup group(String name, long extentBytes, List<String> tags) {
        long extents = (medium.sizeBytes() - dataOffset) / extentBytes;
        if (extents < 1) {
            throw ErrorCode.LVM_GROUP_CREATE.because(
                    ("%s has %d bytes; a volume group needs %d for its metadata and at least one"
                                    + " extent of %d")
                            .formatted(medium.name(), medium.sizeBytes(), dataOffset, extentBytes));
        }
        SequencedMap<String, ConfigNode> limits = new LinkedHashMap<>();
        limits.put("max_lv", new ConfigNode.Whole(0));
        limits.put("max_pv", new ConfigNode.Whole(0));
        limits.put("metadata_copies", new ConfigNode.Whole(0));
        VolumeGroup.Head head =
                new VolumeGroup.Head(
                        name,
                        LvmId.random(author.random()),
                        1,
                        extentBytes / VolumeGroup.SECTOR_BYTES,
                        List.of("RESIZEABLE", "READ", "WRITE"),
                        List.of(),
                        tags,
                        limits);
        SequencedMap<String, PhysicalVolume> pvs = new LinkedHashMap<>();
        pvs.put("pv0", physicalVolume(extents));
        return VolumeGroup.of(head, pvs, new LinkedHashMap<>(), medium.name());
    }

    private PhysicalVolume physicalVolume(long extents) {
        return new PhysicalVolume(
                "pv0",
                pv,
                medium.name(),
                List.of("ALLOCATABLE"),
                List.of(),
                List.of(),
                medium.sizeBytes() / VolumeGroup.SECTOR_BYTES,
                dataOffset / VolumeGroup.SECTOR_BYTES,
                extents,
                Map.of());
    }

    /** Writes it; when this has returned it is durable. */
    void write() {
        medium.write(0, new byte[Label.SECTORS * Label.BYTES]);
        medium.flush();
        Label.Area area = new Label.Area(AREA_OFFSET, dataOffset - AREA_OFFSET);
        MetadataArea metadata = new MetadataArea(medium, area);
        byte[] text = GroupText.of(group, author);
        TextPlace place = metadata.place(text.length);
        metadata.writeText(place, text);
        metadata.writeHeader(place, text);
        medium.flush();
        Label label =
                new Label(
                        1,
                        pv,
                        medium.sizeBytes(),
                        List.of(new Label.Area(dataOffset, 0)),
                        List.of(area),
                        Label.EXTENSION_VERSION,
                        Label.USED,
                        List.of());
        medium.write((long) label.sector() * Label.BYTES, label.encode());
        medium.flush();
    }
}
