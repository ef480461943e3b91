// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Tells everything that an image says of itself.
 *
 * <p><b>Threads:</b> any; calls block.
 */
public final class VhdDescription {
    private VhdDescription() {}

    /**
     * Reads an image and what it rests on. A chain that cannot be followed to its end is told as
     * far as it can, with the reason.
     *
     * @throws StorageException VDI_LOAD when the image itself cannot be used
     */
    public static List<VhdFact> of(String name, BlockAccess access, VhdChain.Neighbours near) {
        VhdImage image = VhdImage.read(access);
        List<VhdFact> facts = new ArrayList<>();
        facts.add(
                new VhdFact.Group(
                        "file",
                        "file",
                        List.of(
                                VhdFact.plain("name", "name", name),
                                VhdFact.bytes("length", "lengthBytes", access.sizeBytes()),
                                VhdFact.flag("closed in order", "closed", image.closed()))));
        facts.add(footer(image.footer()));
        if (image.header() != null) {
            facts.add(header(image));
            if (image.parent() != null) {
                facts.add(locators(access, image));
            }
            facts.add(batmap(access, image));
            facts.add(blocks(access, image));
        }
        facts.addAll(chain(name, access, near));
        return facts;
    }

    // ---- footer and header

    private static VhdFact footer(VhdFooter footer) {
        Instant created = instant(footer.timestamp());
        return new VhdFact.Group(
                "footer",
                "footer",
                List.of(
                        VhdFact.plain("type", "type", typeName(footer)),
                        VhdFact.bytes("size now", "currentSizeBytes", footer.currentSize()),
                        VhdFact.bytes(
                                "size at creation", "originalSizeBytes", footer.originalSize()),
                        VhdFact.plain("UUID", "uuid", footer.uuid().toString()),
                        VhdFact.flag("hidden", "hidden", footer.hidden()),
                        VhdFact.flag("saved state", "savedState", footer.savedState()),
                        VhdFact.plain("created", "created", created.toString()),
                        VhdFact.plain("creator", "creator", fourLetters(footer.creator())),
                        VhdFact.plain(
                                "creator version",
                                "creatorVersion",
                                (footer.creatorVersion() >>> 16)
                                        + "."
                                        + (footer.creatorVersion() & 0xFFFF)),
                        VhdFact.plain("creator system", "creatorSystem", system(footer)),
                        VhdFact.plain("geometry", "geometry", VhdGeometry.text(footer.geometry())),
                        VhdFact.plain("features", "features", "%08x".formatted(footer.features())),
                        VhdFact.plain(
                                "header at",
                                "headerOffset",
                                footer.type() == VhdFooter.Type.FIXED
                                        ? "none"
                                        : Long.toString(footer.dataOffset()))));
    }

    static String typeName(VhdFooter footer) {
        return switch (footer.type()) {
            case FIXED -> "fixed";
            case DYNAMIC -> "dynamic";
            case DIFFERENCING -> "differencing";
        };
    }

    private static Instant instant(int timestamp) {
        return Instant.ofEpochSecond(VhdFooter.EPOCH_SECONDS + Integer.toUnsignedLong(timestamp));
    }

    private static String system(VhdFooter footer) {
        return footer.creatorOs() == 0 ? "none" : fourLetters(footer.creatorOs());
    }

    /** Four bytes as letters where they are some, and otherwise in hexadecimal. */
    private static String fourLetters(int code) {
        byte[] bytes = ByteBuffer.allocate(4).putInt(code).array();
        int length = 4;
        while (length > 0 && (bytes[length - 1] == 0 || bytes[length - 1] == ' ')) {
            length--;
        }
        for (int i = 0; i < length; i++) {
            if (bytes[i] < 0x20 || bytes[i] > 0x7E) {
                return "%08x".formatted(code);
            }
        }
        return new String(bytes, 0, length, StandardCharsets.US_ASCII);
    }

    private static VhdFact header(VhdImage image) {
        VhdHeader header = image.header();
        List<VhdFact> facts =
                new ArrayList<>(
                        List.of(
                                VhdFact.plain("table at", "tableOffset", header.tableOffset()),
                                VhdFact.plain(
                                        "table entries", "tableEntries", header.maxTableEntries()),
                                VhdFact.bytes(
                                        "room for a disk of",
                                        "capacityBytes",
                                        header.capacityBytes()),
                                VhdFact.bytes("block size", "blockBytes", header.blockBytes())));
        if (image.parent() != null) {
            boolean raw = image.parent().isRaw();
            facts.add(
                    VhdFact.plain(
                            "parent UUID",
                            "parentUuid",
                            raw ? "none, plain content" : header.parentUuid().toString()));
            facts.add(VhdFact.plain("parent name", "parentName", header.parentName()));
            facts.add(
                    VhdFact.plain(
                            "parent changed",
                            "parentTime",
                            instant(header.parentTimestamp()).toString()));
        }
        return new VhdFact.Group("header", "header", facts);
    }

    private static VhdFact locators(BlockAccess access, VhdImage image) {
        List<List<VhdFact.Value>> rows = new ArrayList<>();
        for (ParentLocator locator : image.header().locators()) {
            byte[] bytes =
                    locator.isKnown()
                            ? VhdImage.readName(access, locator, image.volumeBytes())
                            : null;
            String path = bytes == null ? "cannot be read" : locator.decodePath(bytes);
            rows.add(
                    List.of(
                            VhdFact.plain("code", "code", fourLetters(locator.code())),
                            VhdFact.plain("path", "path", path),
                            VhdFact.plain("at", "offset", locator.offset()),
                            VhdFact.plain("length", "lengthBytes", locator.length()),
                            VhdFact.plain("room", "roomBytes", locator.spaceBytes())));
        }
        return new VhdFact.Rows("parent locators", "locators", rows);
    }

    // ---- batmap and blocks

    private static VhdFact batmap(BlockAccess access, VhdImage image) {
        Batmap batmap = image.batmap();
        List<VhdFact> facts = new ArrayList<>();
        facts.add(VhdFact.flag("there", "there", batmap != null));
        if (batmap != null) {
            int used = Batmap.usedBytes(image.footer().currentSize(), image.header().blockBytes());
            boolean matches = batmap.matches(access.read(batmap.offset(), used));
            facts.add(VhdFact.plain("bits at", "offset", batmap.offset()));
            facts.add(VhdFact.bytes("room", "roomBytes", 512L * batmap.sectors()));
            facts.add(VhdFact.flag("checksum is right", "checksumRight", matches));
        }
        return new VhdFact.Group("batmap", "batmap", facts);
    }

    private static VhdFact blocks(BlockAccess access, VhdImage image) {
        byte[] full = image.readFull(access);
        long[] counts = new long[3];
        VhdTable.forEach(
                access,
                image,
                (block, entry) -> {
                    counts[0]++;
                    counts[1] += (full[block >> 3] & 0x80 >> (block & 7)) == 0 ? 0 : 1;
                    counts[2] = Math.max(counts[2], Integer.toUnsignedLong(entry));
                    return 0;
                });
        VhdHeader header = image.header();
        List<VhdFact> facts =
                new ArrayList<>(
                        List.of(
                                VhdFact.plain(
                                        "of the disk",
                                        "count",
                                        header.blocks(image.footer().currentSize())),
                                VhdFact.plain("with a place", "allocated", counts[0]),
                                VhdFact.plain("fully written, by the batmap", "full", counts[1]),
                                VhdFact.bytes(
                                        "room for data",
                                        "dataBytes",
                                        counts[0] * header.blockBytes())));
        if (counts[0] > 0) {
            long end = counts[2] * 512 + header.bitmapBytes() + header.blockBytes();
            facts.add(VhdFact.plain("the last one ends at", "endOffset", end));
        }
        return new VhdFact.Group("blocks", "blocks", facts);
    }

    // ---- the chain

    private static List<VhdFact> chain(String name, BlockAccess access, VhdChain.Neighbours near) {
        try {
            List<VhdChain.Layer> layers = VhdChain.open(name, access, near);
            List<List<VhdFact.Value>> rows = new ArrayList<>();
            for (VhdChain.Layer layer : layers) {
                rows.add(row(rows.size(), layer));
            }
            return List.of(
                    new VhdFact.Group(
                            "images",
                            "images",
                            List.of(VhdFact.plain("depth", "depth", layers.size()))),
                    new VhdFact.Rows("chain", "chain", rows));
        } catch (StorageException e) {
            return List.of(
                    new VhdFact.Group(
                            "images",
                            "images",
                            List.of(VhdFact.plain("trouble", "trouble", e.sentence()))));
        }
    }

    private static List<VhdFact.Value> row(int index, VhdChain.Layer layer) {
        VhdFooter footer = layer.image() == null ? null : layer.image().footer();
        boolean closed = layer.image() == null || layer.image().closed();
        return List.of(
                new VhdFact.Value("from the top", "index", index, Integer.toString(index)),
                VhdFact.plain("name", "name", layer.name()),
                VhdFact.plain("type", "type", footer == null ? "raw" : typeName(footer)),
                VhdFact.plain("size", "sizeBytes", layer.sizeBytes()),
                VhdFact.plain("UUID", "uuid", footer == null ? "none" : footer.uuid().toString()),
                VhdFact.flag("hidden", "hidden", footer != null && footer.hidden()),
                VhdFact.flag("closed", "closed", closed));
    }
}
