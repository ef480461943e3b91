// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;

/**
 * Makes a group of its text, and refuses one that contradicts itself: names and identifiers that
 * come twice, segments with gaps, extents that do not exist or belong to two volumes, references to
 * what is not there. Mappings that are not served here are kept as they are.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class GroupReader {
    static final String PHYSICAL_VOLUMES = "physical_volumes";
    static final String LOGICAL_VOLUMES = "logical_volumes";
    static final String STRIPED = "striped";

    /** LVM2 counts extents and stripes in 32 bits, and sectors in 64. */
    private static final long MAXIMUM_EXTENTS = 0xFFFF_FFFFL;

    private static final long MAXIMUM_SECTOR = Long.MAX_VALUE / VolumeGroup.SECTOR_BYTES / 2;
    private static final long MAXIMUM_EXTENT_SECTORS = 0x7FFF_FFFFL;

    private final String where;
    private final SequencedMap<String, PhysicalVolume> pvs = new LinkedHashMap<>();
    private final Set<LvmId> ids = new HashSet<>();
    private Set<String> volumeNames = Set.of();

    private GroupReader(String where) {
        this.where = where;
    }

    /**
     * The group that a text describes.
     *
     * @param where what holds the text, for messages
     * @throws dev.varve.vdi.StorageException SR_METADATA with what is wrong, and where
     */
    static VolumeGroup read(byte[] text, String where) {
        return new GroupReader(where).group(ConfigParser.parse(text, where));
    }

    private VolumeGroup group(ConfigNode.Section all) {
        SectionReader file = new SectionReader(all, "the text on " + where);
        String contents = file.text("contents");
        long version = file.number("version", Integer.MAX_VALUE);
        if (!contents.equals(GroupText.CONTENTS) || version != GroupText.VERSION) {
            throw file.failure(
                    "is '%s' of version %d, not '%s' of version %d"
                            .formatted(
                                    ConfigParser.shown(contents),
                                    version,
                                    GroupText.CONTENTS,
                                    GroupText.VERSION));
        }
        List<Map.Entry<String, ConfigNode>> sections =
                file.rest().entrySet().stream()
                        .filter(entry -> entry.getValue() instanceof ConfigNode.Section)
                        .toList();
        if (sections.size() != 1) {
            throw file.failure("describes %d groups".formatted(sections.size()));
        }
        String name = sections.getFirst().getKey();
        return group(name, (ConfigNode.Section) sections.getFirst().getValue());
    }

    private VolumeGroup group(String name, ConfigNode.Section section) {
        requireName(name, "volume group");
        SectionReader reader =
                new SectionReader(section, "the volume group '%s' on %s".formatted(name, where));
        if (!reader.text("format", "lvm2").equals("lvm2")) {
            throw reader.failure("is not of the format lvm2");
        }
        LvmId id = reader.id();
        long sequence = reader.number("seqno", MAXIMUM_EXTENTS);
        long extentSectors = reader.number("extent_size", MAXIMUM_EXTENT_SECTORS);
        if (extentSectors == 0) {
            throw reader.failure("has extents of no size");
        }
        readPhysicalVolumes(reader.section(PHYSICAL_VOLUMES), extentSectors);
        ConfigNode.Section volumes = reader.section(LOGICAL_VOLUMES);
        List<String> status = reader.words("status");
        List<String> flags = reader.words("flags");
        List<String> tags = reader.words("tags");
        VolumeGroup.Head head =
                new VolumeGroup.Head(
                        name, id, sequence, extentSectors, status, flags, tags, reader.rest());
        return VolumeGroup.of(head, pvs, volumes(volumes), reader.path());
    }

    private void requireName(String name, String what) {
        if (!LvmNames.isValid(name)) {
            throw ErrorCode.SR_METADATA.because(
                    "the metadata is damaged: on %s a %s is called '%s', which LVM does not allow"
                            .formatted(where, what, ConfigParser.shown(name)));
        }
    }

    private SectionReader reader(String kind, String name, ConfigNode node) {
        requireName(name, kind);
        String path = "the " + kind + " '" + name + "' on " + where;
        if (node instanceof ConfigNode.Section section) {
            return new SectionReader(section, path);
        }
        throw ErrorCode.SR_METADATA.because(
                "the metadata is damaged: %s is no section".formatted(path));
    }

    private LvmId newId(SectionReader reader) {
        LvmId id = reader.id();
        if (!ids.add(id)) {
            throw reader.failure("has the id %s, which another one has as well".formatted(id));
        }
        return id;
    }

    // ---- physical volumes

    private void readPhysicalVolumes(ConfigNode.Section section, long extentSectors) {
        section.entries()
                .forEach((name, node) -> pvs.put(name, physicalVolume(name, node, extentSectors)));
    }

    private PhysicalVolume physicalVolume(String name, ConfigNode node, long extentSectors) {
        SectionReader reader = reader("physical volume", name, node);
        LvmId id = newId(reader);
        String device = reader.text("device", "");
        List<String> status = reader.words("status");
        List<String> flags = reader.words("flags");
        List<String> tags = reader.words("tags");
        long deviceSectors = reader.number("dev_size", MAXIMUM_SECTOR, 0);
        long start = reader.number("pe_start", MAXIMUM_SECTOR);
        long extents = reader.number("pe_count", MAXIMUM_EXTENTS);
        if (extents > (MAXIMUM_SECTOR - start) / extentSectors) {
            throw reader.failure("has %d extents, which no device can hold".formatted(extents));
        }
        return new PhysicalVolume(
                name,
                id,
                device,
                status,
                flags,
                tags,
                deviceSectors,
                start,
                extents,
                reader.rest());
    }

    // ---- logical volumes

    private SequencedMap<String, LogicalVolume> volumes(ConfigNode.Section section) {
        volumeNames = section.entries().keySet();
        SequencedMap<String, LogicalVolume> volumes = new LinkedHashMap<>();
        section.entries().forEach((name, node) -> volumes.put(name, volume(name, node)));
        return volumes;
    }

    private LogicalVolume volume(String name, ConfigNode node) {
        SectionReader reader = reader("logical volume", name, node);
        LvmId id = newId(reader);
        LogicalVolume.Marks marks =
                new LogicalVolume.Marks(
                        reader.words("status"), reader.words("flags"), reader.words("tags"));
        String host = reader.text("creation_host", "");
        long time = reader.number("creation_time", Long.MAX_VALUE, 0);
        List<Segment> segments = segments(reader);
        return new LogicalVolume(name, id, marks, host, time, segments, reader.rest());
    }

    private List<Segment> segments(SectionReader volume) {
        long count = volume.number("segment_count", MAXIMUM_EXTENTS);
        List<Segment> segments = new ArrayList<>();
        long end = 0;
        for (long number = 1; number <= count; number++) {
            Segment segment = segment(volume, "segment" + number);
            if (segment.startExtent() != end) {
                throw volume.failure(
                        "has a segment %d that starts at extent %d, not at %d"
                                .formatted(number, segment.startExtent(), end));
            }
            end = segment.endExtent();
            segments.add(segment);
        }
        if (end > MAXIMUM_EXTENTS) {
            throw volume.failure("has %d extents, which is too many".formatted(end));
        }
        return segments;
    }

    private Segment segment(SectionReader volume, String name) {
        ConfigNode.Section text = volume.section(name);
        SectionReader reader = new SectionReader(text, name + " of " + volume.path());
        long start = reader.number("start_extent", MAXIMUM_EXTENTS);
        long extents = reader.number("extent_count", MAXIMUM_EXTENTS);
        if (extents == 0) {
            throw reader.failure("maps nothing");
        }
        String type = reader.text("type");
        List<ExtentRun> runs = runs(reader, extents);
        if (isLinear(type, reader, runs)) {
            return new Segment.Linear(
                    start, extents, runs.getFirst().pv(), runs.getFirst().start());
        }
        return new Segment.Other(start, extents, type, runs, text);
    }

    /** One stripe on a physical volume, and nothing more said about it. */
    private static boolean isLinear(String type, SectionReader reader, List<ExtentRun> runs) {
        if (!type.equals(STRIPED)
                || reader.number("stripe_count", MAXIMUM_EXTENTS) != 1
                || runs.size() != 1) {
            return false;
        }
        reader.drop("stripes");
        return reader.isEmpty();
    }

    /** What a segment takes of physical volumes; parts of it may be volumes by themselves. */
    private List<ExtentRun> runs(SectionReader reader, long extents) {
        List<ExtentRun> runs = new ArrayList<>();
        List<ConfigNode> stripes = reader.items("stripes");
        if (stripes.size() % 2 != 0) {
            throw reader.failure("has stripes that are no pairs of a name and an extent");
        }
        long each = stripes.isEmpty() ? 0 : extents / (stripes.size() / 2);
        addRuns(reader, stripes, each, runs);
        List<ConfigNode> mirrors = reader.items("mirrors");
        addRuns(reader, mirrors.size() % 2 == 0 ? mirrors : List.of(), extents, runs);
        return runs;
    }

    private void addRuns(
            SectionReader reader, List<ConfigNode> pairs, long each, List<ExtentRun> runs) {
        for (int at = 0; at < pairs.size(); at += 2) {
            if (!(pairs.get(at) instanceof ConfigNode.Text(String name))
                    || !(pairs.get(at + 1) instanceof ConfigNode.Whole(long extent))
                    || extent < 0
                    || extent > MAXIMUM_EXTENTS) {
                throw reader.failure("does not name a volume and an extent where it lies");
            }
            if (pvs.containsKey(name)) {
                runs.add(new ExtentRun(name, extent, each));
            } else if (!volumeNames.contains(name)) {
                throw reader.failure(
                        "lies on '%s', which the group does not have"
                                .formatted(ConfigParser.shown(name)));
            }
        }
    }
}
