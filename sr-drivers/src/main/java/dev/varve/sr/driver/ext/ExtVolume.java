// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.LoopRange;
import dev.varve.sr.host.MountTable;
import dev.varve.sr.host.Signature;
import dev.varve.sr.lvm.MediumContent;
import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.Segment;
import dev.varve.sr.lvm.meta.VolumeGroup;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;

/**
 * Where on a device the file system of a repository lies: all of it, or in the one logical volume
 * of a volume group as the reference stack makes it.
 *
 * <table>
 * <caption>The layout of the reference stack</caption>
 * <tr><th>what</th><th>value</th></tr>
 * <tr><td>volume group</td><td>{@code XSLocalEXT-} and the UUID of the repository; 10 MiB of
 * metadata, extents of 4 MiB</td></tr>
 * <tr><td>logical volume</td><td>named like the repository, linear, all extents</td></tr>
 * <tr><td>file system</td><td>ext4</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any that may wait.
 *
 * @param device the whole device
 * @param group the volume group; empty for a device that is a file system as a whole
 */
record ExtVolume(HostDevice device, Optional<Group> group) {
    private static final String PREFIX = "XSLocalEXT-";
    private static final int METADATA_BYTES = 10 << 20;
    private static final int EXTENT_BYTES = 4 << 20;

    /**
     * The volume group around the file system.
     *
     * @param sr the repository that its name tells
     * @param offset where the logical volume begins, in bytes from the start of the device
     * @param length how long the logical volume is, in bytes
     */
    record Group(UUID sr, long offset, long length) {}

    /** A device that is a file system as a whole, or shall be. */
    static ExtVolume bare(HostDevice device) {
        return new ExtVolume(device, Optional.empty());
    }

    /**
     * What is on a device.
     *
     * @throws dev.varve.vdi.StorageException SR_UNAVAILABLE for a group that is not of this kind
     */
    static ExtVolume of(HostDevice device) {
        boolean member =
                Signature.of(device).map(Signature::type).equals(Optional.of(MediumContent.MEMBER));
        return member ? inGroup(device) : bare(device);
    }

    private static ExtVolume inGroup(HostDevice device) {
        try (BlockMedium medium = open(device, false)) {
            GroupMetadata metadata = GroupMetadata.open(medium);
            String name = metadata.group().name();
            UUID sr =
                    uuid(name)
                            .orElseThrow(
                                    () ->
                                            refused(
                                                    device,
                                                    "it holds the volume group "
                                                            + name
                                                            + ", which is not of a repository of"
                                                            + " this type"));
            return new ExtVolume(device, Optional.of(range(device, metadata, sr)));
        }
    }

    private static BlockMedium open(HostDevice device, boolean writable) {
        return FileMedium.open(device.node(), device.blockBytes(), writable);
    }

    private static RuntimeException refused(HostDevice device, String why) {
        return ErrorCode.SR_UNAVAILABLE.because(
                "the device %s cannot be used: %s".formatted(device.given(), why));
    }

    private static Optional<UUID> uuid(String group) {
        if (!group.startsWith(PREFIX)) {
            return Optional.empty();
        }
        String text = group.substring(PREFIX.length());
        try {
            return Optional.of(UUID.fromString(text)).filter(uuid -> uuid.toString().equals(text));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static Group range(HostDevice device, GroupMetadata metadata, UUID sr) {
        VolumeGroup group = metadata.group();
        LogicalVolume volume =
                group.volume(sr.toString())
                        .orElseThrow(
                                () ->
                                        refused(
                                                device,
                                                "its volume group %s lacks the volume %s"
                                                        .formatted(group.name(), sr)));
        boolean single = group.physicalVolumes().size() == 1 && volume.segments().size() == 1;
        if (!single || !(volume.segments().getFirst() instanceof Segment.Linear linear)) {
            throw refused(
                    device,
                    "the volume %s lies in several pieces or on several devices".formatted(sr));
        }
        return new Group(
                sr,
                metadata.offsetOf(linear.pv(), linear.pvExtent()),
                linear.extentCount() * group.extentBytes());
    }

    /** Makes the volume group of a repository; what was on the device is lost. */
    static ExtVolume make(HostDevice device, UUID sr, SrContext context) {
        try (BlockMedium medium = open(device, true)) {
            GroupMetadata metadata =
                    GroupMetadata.create(
                            medium,
                            PREFIX + sr,
                            context.random(),
                            context.clock(),
                            METADATA_BYTES,
                            EXTENT_BYTES,
                            List.of());
            GroupEdit edit = new GroupEdit(metadata.group());
            edit.create(sr.toString(), edit.freeExtents(), List.of());
            metadata.commit(edit.done());
            return new ExtVolume(device, Optional.of(range(device, metadata, sr)));
        }
    }

    /** Works on the file system as a device of its own; a mount that is made of it stays. */
    <T> T with(Function<HostDevice, T> work) {
        if (group.isEmpty()) {
            return work.apply(device);
        }
        try (LoopRange range = LoopRange.of(device, group.get().offset(), group.get().length())) {
            return work.apply(range.device());
        }
    }

    /** Where the file system is mounted. */
    List<MountTable.Mount> mounts() {
        MountTable table = MountTable.read();
        return table.mounts().stream().filter(mount -> isOf(mount.device())).toList();
    }

    /** Whether a mounted device, by its number, is this file system. */
    boolean isOf(String number) {
        return group.map(
                        there ->
                                device.loops().stream()
                                        .filter(loop -> loop.loopOffset() == there.offset())
                                        .anyMatch(loop -> loop.number().equals(number)))
                .orElse(device.number().equals(number));
    }
}
