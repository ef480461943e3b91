// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * A volume group at one sequence number: its physical volumes, and the logical volumes that share
 * their extents. A {@link GroupEdit} makes the next one of it.
 *
 * <p><b>Invariants:</b> every run of a segment lies within its physical volume, and no extent
 * belongs to two segments.
 *
 * <p><b>Threads:</b> any; immutable.
 */
public final class VolumeGroup {
    /** The unit of sizes in the text. */
    public static final int SECTOR_BYTES = 512;

    private final Head head;
    private final SequencedMap<String, PhysicalVolume> physicalVolumes;
    private final SequencedMap<String, LogicalVolume> volumes;
    private final FreeExtents free;
    private final Optional<String> refusal;

    /** What a group says of itself; sizes in sectors of 512 bytes. */
    record Head(
            String name,
            LvmId id,
            long sequence,
            long extentSectors,
            List<String> status,
            List<String> flags,
            List<String> tags,
            Map<String, ConfigNode> other) {
        Head {
            status = List.copyOf(status);
            flags = List.copyOf(flags);
            tags = List.copyOf(tags);
        }

        Head next(List<String> newTags) {
            return new Head(name, id, sequence + 1, extentSectors, status, flags, newTags, other);
        }
    }

    private VolumeGroup(
            Head head,
            SequencedMap<String, PhysicalVolume> physicalVolumes,
            SequencedMap<String, LogicalVolume> volumes,
            FreeExtents free,
            Optional<String> refusal) {
        this.head = head;
        this.physicalVolumes = physicalVolumes;
        this.volumes = volumes;
        this.free = free;
        this.refusal = refusal;
    }

    /**
     * A group as it was read.
     *
     * @param where for messages
     * @throws dev.varve.vdi.StorageException SR_METADATA when extents are used twice or do not
     *     exist
     */
    static VolumeGroup of(
            Head head,
            SequencedMap<String, PhysicalVolume> physicalVolumes,
            SequencedMap<String, LogicalVolume> volumes,
            String where) {
        return new VolumeGroup(
                head,
                Collections.unmodifiableSequencedMap(new LinkedHashMap<>(physicalVolumes)),
                Collections.unmodifiableSequencedMap(new LinkedHashMap<>(volumes)),
                FreeExtents.of(physicalVolumes, volumes.values(), where),
                Refusal.of(head, physicalVolumes.values(), volumes.values()));
    }

    /**
     * The same physical volumes with other contents, whose free extents are known. What an edit
     * makes of a group that may be written may be written too.
     */
    VolumeGroup next(
            Head newHead, SequencedMap<String, LogicalVolume> newVolumes, FreeExtents newFree) {
        return new VolumeGroup(
                newHead,
                physicalVolumes,
                Collections.unmodifiableSequencedMap(newVolumes),
                newFree,
                Optional.empty());
    }

    Head head() {
        return head;
    }

    FreeExtents free() {
        return free;
    }

    /** Its name. */
    public String name() {
        return head.name();
    }

    /** Its identifier. */
    public LvmId id() {
        return head.id();
    }

    /** Grows by one with each change. */
    public long sequence() {
        return head.sequence();
    }

    /** How large an extent is, in bytes. */
    public long extentBytes() {
        return head.extentSectors() * SECTOR_BYTES;
    }

    /** What is set of RESIZEABLE, READ, WRITE, and words of groups that are not served here. */
    public List<String> status() {
        return head.status();
    }

    /** Marks that a program need not know. */
    public List<String> flags() {
        return head.flags();
    }

    /** Its tags, in order. */
    public List<String> tags() {
        return head.tags();
    }

    /** Its physical volumes by name, in order. */
    public SequencedMap<String, PhysicalVolume> physicalVolumes() {
        return physicalVolumes;
    }

    /** Its logical volumes by name, in order. */
    public SequencedMap<String, LogicalVolume> volumes() {
        return volumes;
    }

    /** The logical volume of a name. */
    public Optional<LogicalVolume> volume(String name) {
        return Optional.ofNullable(volumes.get(name));
    }

    /** How many extents its physical volumes have. */
    public long extents() {
        Collection<PhysicalVolume> all = physicalVolumes.values();
        return all.stream().mapToLong(PhysicalVolume::extents).sum();
    }

    /** How many extents belong to no logical volume. */
    public long freeExtents() {
        return free.total();
    }

    /** Why this group must not be written here, as one sentence; empty when it may be. */
    public Optional<String> refusal() {
        return refusal;
    }

    @Override
    public String toString() {
        return name() + " at sequence " + sequence();
    }
}
