// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The metadata of a volume group on its devices.
 *
 * <p>A commit writes the text of the next group to each metadata area, behind the present text;
 * then it makes them durable; then it writes the first sector of each area, which names the new
 * text; then it makes these durable. A crash before any of these sectors leaves the old group. One
 * between the sectors of two areas leaves the old group in one and the new one in the other; the
 * one with the higher sequence number counts, here as for {@code lvm2}. So a crash leaves the old
 * group or the new one, and the text of the group that counts is never written over.
 *
 * <p>A commit takes the lock of this host's {@code lvm2}, and reads the first sectors again before
 * it writes: when another program has changed the group since it was read here, the commit fails
 * and nothing is written. Between hosts this is no lock; they have to agree on one that writes.
 *
 * <p>{@code docs/formats/lvm2.md} has the tables of what is on a device.
 *
 * <p><b>Threads:</b> any; commits happen one after another. A call waits for the devices.
 *
 * <p><b>Durability:</b> when {@link #commit} has returned, the group is durable. When it failed,
 * the old or the new one is; {@link #reread()} tells which, and a further commit fails until then.
 */
public final class GroupMetadata {
    /** How large the metadata area of a new physical volume is at least, in bytes. */
    public static final long DEFAULT_METADATA_BYTES = 10 << 20;

    /** How large the extents of a new group are, in bytes. */
    public static final long DEFAULT_EXTENT_BYTES = 4 << 20;

    /** A device and its label. */
    private record Member(BlockMedium medium, Label label) {}

    private final List<Member> members;
    private final List<MetadataArea> areas = new ArrayList<>();
    private final Author author;
    private final Path lockDirectory;
    private final Map<String, BlockMedium> media = new HashMap<>();
    private volatile VolumeGroup group;
    private boolean failed;

    private GroupMetadata(List<Member> members, Author author, Path lockDirectory) {
        this.members = members;
        this.author = author;
        this.lockDirectory = lockDirectory;
        for (Member member : members) {
            for (Label.Area area : member.label().metadataAreas()) {
                areas.add(new MetadataArea(member.medium(), area));
            }
        }
    }

    // ---- getting one

    /**
     * The label of a device, if it is a physical volume of LVM2.
     *
     * @throws StorageException PVS_FAILED when there is a label and it is damaged
     */
    public static Optional<Label> label(BlockMedium medium) {
        return Label.read(medium);
    }

    /**
     * Reads the group of a device.
     *
     * @throws StorageException LVM_NO_VOLUME_GROUP when there is none, PVS_FAILED when the label is
     *     damaged, SR_METADATA when what describes the group is
     */
    public static GroupMetadata open(BlockMedium medium) {
        return open(List.of(medium), Author.system(), LocalLock.DEFAULT_DIRECTORY);
    }

    /**
     * Reads a group of some or all of its devices. It can be written when these are all.
     *
     * @param lockDirectory where the {@code lvm2} of this host has its locks; need not be there
     * @throws StorageException as {@link #open(BlockMedium)}; PV_MULTIPLE_IDS when two devices have
     *     the same label
     */
    public static GroupMetadata open(List<BlockMedium> media, Author author, Path lockDirectory) {
        List<Member> members = new ArrayList<>();
        for (BlockMedium medium : media) {
            members.add(new Member(medium, requireLabel(medium)));
        }
        requireDistinct(members);
        GroupMetadata metadata = new GroupMetadata(members, author, lockDirectory);
        metadata.reread();
        return metadata;
    }

    private static Label requireLabel(BlockMedium medium) {
        return label(medium)
                .orElseThrow(
                        () ->
                                ErrorCode.LVM_NO_VOLUME_GROUP.because(
                                        "%s has no LVM label".formatted(medium.name())));
    }

    private static void requireDistinct(List<Member> members) {
        Clashes.refuseSameVolumes(
                members.stream()
                        .map(one -> new Clashes.Device(one.medium().name(), one.label()))
                        .toList());
    }

    /**
     * Makes a device a physical volume, and a group of it, whatever was there before.
     *
     * @param name the name of the group
     * @param metadataBytes how large the metadata area is at least, in bytes
     * @param extentBytes how large an extent is: a power of two from 4096
     * @throws StorageException LVM_GROUP_CREATE when the device is too small
     */
    public static GroupMetadata create(
            BlockMedium medium,
            String name,
            RandomSource random,
            Clock clock,
            long metadataBytes,
            long extentBytes,
            List<String> tags) {
        Author author = Author.of(random, clock);
        NewGroup made = new NewGroup(medium, name, author, metadataBytes, extentBytes, tags);
        made.write();
        return open(List.of(medium), author, LocalLock.DEFAULT_DIRECTORY);
    }

    // ---- reading

    /** The group as it was last read or committed. */
    public VolumeGroup group() {
        return group;
    }

    /** Begins to change the group, with the identifiers and times of this metadata's author. */
    public GroupEdit edit() {
        return new GroupEdit(group, author);
    }

    /**
     * Reads the group again, when it has changed on the devices.
     *
     * @throws StorageException as {@link #open(BlockMedium)}
     */
    public synchronized VolumeGroup reread() {
        if (failed) {
            // What is read must not go away later: it may still be in a cache of the device.
            flush();
        }
        if (group == null || failed || !areUnchanged()) {
            VolumeGroup found = GroupCopies.newest(areas, names());
            bind(found);
            group = found;
        }
        failed = false;
        return group;
    }

    private String names() {
        return String.join(", ", members.stream().map(one -> one.medium().name()).toList());
    }

    private boolean areUnchanged() {
        for (MetadataArea area : areas) {
            if (!area.isUnchanged()) {
                return false;
            }
        }
        return true;
    }

    private void bind(VolumeGroup found) {
        Map<LvmId, String> names = new HashMap<>();
        found.physicalVolumes().values().forEach(pv -> names.put(pv.id(), pv.name()));
        Map<String, BlockMedium> bound = new HashMap<>();
        for (Member member : members) {
            String name = names.get(member.label().pv());
            if (name == null) {
                throw ErrorCode.PVS_FAILED.because(
                        "the volume group '%s' does not have the physical volume %s of %s"
                                .formatted(
                                        found.name(), member.label().pv(), member.medium().name()));
            }
            bound.put(name, member.medium());
        }
        synchronized (media) {
            media.clear();
            media.putAll(bound);
        }
    }

    /**
     * Why the group must not be written here, as one sentence: its own {@link
     * VolumeGroup#refusal()}, or that not all of its devices are there.
     */
    public Optional<String> refusal() {
        return refusal(group);
    }

    private Optional<String> refusal(VolumeGroup of) {
        return of.refusal().or(() -> ofDevices(of));
    }

    private Optional<String> ofDevices(VolumeGroup of) {
        for (PhysicalVolume pv : of.physicalVolumes().values()) {
            BlockMedium medium = mediumOrNull(pv.name());
            if (medium == null) {
                return Optional.of(
                        "The volume group '%s' also lies on the physical volume '%s' (%s, last seen as %s), which is not among the given devices."
                                .formatted(of.name(), pv.name(), pv.id(), pv.device()));
            }
            long end = pv.startBytes() + pv.extents() * of.extentBytes();
            if (end > medium.sizeBytes()) {
                return Optional.of(
                        "The physical volume '%s' of '%s' needs %d bytes; %s has %d."
                                .formatted(
                                        pv.name(),
                                        of.name(),
                                        end,
                                        medium.name(),
                                        medium.sizeBytes()));
            }
        }
        return Optional.empty();
    }

    /**
     * Where an extent lies on its device.
     *
     * @return in bytes from the start of {@link #medium}
     */
    public long offsetOf(String pv, long extent) {
        PhysicalVolume volume = group.physicalVolumes().get(pv);
        if (volume == null || extent < 0 || extent > volume.extents()) {
            throw new IllegalArgumentException(
                    "'%s' has no extent %d of '%s'".formatted(group.name(), extent, pv));
        }
        return volume.startBytes() + extent * group.extentBytes();
    }

    /**
     * The device of a physical volume.
     *
     * @throws StorageException SR_UNAVAILABLE when it is not among the given ones
     */
    public BlockMedium medium(String pv) {
        BlockMedium medium = mediumOrNull(pv);
        if (medium == null) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the device of '%s' of the volume group '%s' is not there"
                            .formatted(pv, group.name()));
        }
        return medium;
    }

    private BlockMedium mediumOrNull(String pv) {
        synchronized (media) {
            return media.get(pv);
        }
    }

    // ---- writing

    /**
     * Makes the next group the one that counts.
     *
     * @param next made of {@link #group()} by a {@link GroupEdit}
     * @throws StorageException SR_NOT_WRITABLE with {@link #refusal()}; LVM_WRITE when the group
     *     was changed by someone else since it was read; SR_NO_SPACE when the metadata area is too
     *     small; SR_LOCK_FAILED; or what the device reports
     */
    public synchronized void commit(VolumeGroup next) {
        if (!next.id().equals(group.id()) || next.sequence() != group.sequence() + 1) {
            throw new IllegalArgumentException(next + " does not follow " + group);
        }
        Optional<String> refusal = refusal(next);
        if (refusal.isPresent()) {
            throw ErrorCode.SR_NOT_WRITABLE.because(refusal.get());
        }
        byte[] text = GroupText.of(next, author);
        try (LocalLock _ = LocalLock.take(lockDirectory, group.name())) {
            requireUnchanged();
            write(text);
        }
        group = next;
    }

    private void requireUnchanged() {
        if (failed || !areUnchanged()) {
            throw ErrorCode.LVM_WRITE.because(
                    ("the metadata of the volume group '%s' on %s is not what was last read, at"
                                    + " sequence %d: another program has written it, or a commit"
                                    + " failed; read it again")
                            .formatted(group.name(), names(), group.sequence()));
        }
    }

    private void write(byte[] text) {
        Map<MetadataArea, TextPlace> places = new LinkedHashMap<>();
        for (MetadataArea area : areas) {
            if (!area.isIgnored()) {
                places.put(area, area.place(text.length));
            }
        }
        failed = true;
        places.forEach((area, place) -> area.writeText(place, text));
        flush();
        places.forEach((area, place) -> area.writeHeader(place, text));
        flush();
        failed = false;
    }

    private void flush() {
        members.forEach(member -> member.medium().flush());
    }

    /**
     * Has the devices be physical volumes no longer; the contents of volumes stay where they are.
     *
     * @throws StorageException as {@link #commit}
     */
    public synchronized void wipe() {
        try (LocalLock _ = LocalLock.take(lockDirectory, group.name())) {
            requireUnchanged();
            failed = true;
            for (Member member : members) {
                long offset = (long) member.label().sector() * Label.BYTES;
                member.medium().write(offset, new byte[Label.BYTES]);
            }
            flush();
            areas.forEach(MetadataArea::wipe);
            flush();
        }
    }
}
