// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.ExtentRun;
import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.VolumeGroup;
import dev.varve.sr.lvm.shared.ClaimArea;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The volume of a group in which hosts keep their claims. It is one piece, so that it can be found
 * and used without anything else of the group.
 *
 * <p><b>Threads:</b> any that may wait.
 *
 * <p><b>Durability:</b> the volume is zeroed, then named by the group, then formatted. After a
 * crash in between, whoever attaches the repository next formats it.
 */
final class GroupClaims {
    /** Its name. */
    static final String VOLUME = "VARVE-claims";

    /** How many hosts of one pool may use a shared device. */
    private static final int SHARED_HOSTS = 31;

    /** A device of one host has room for daemons that are replaced. */
    private static final int LOCAL_HOSTS = 7;

    private GroupClaims() {}

    /** The area of a group, which is made where there is none. */
    static ClaimArea ensure(
            GroupDevice device, GroupMetadata metadata, UUID sr, SrContext context) {
        LogicalVolume volume =
                metadata.group().volume(VOLUME).orElseGet(() -> make(device, metadata));
        long offset = offset(metadata, volume);
        if (ClaimArea.isPresent(device.medium(), offset)) {
            return ClaimArea.open(device.medium(), offset);
        }
        long length = volume.extents() * metadata.group().extentBytes();
        return ClaimArea.format(device.medium(), offset, length, context.pool(), sr);
    }

    /** The area of a group, where there is one. */
    static Optional<ClaimArea> find(GroupDevice device, GroupMetadata metadata) {
        return metadata.group()
                .volume(VOLUME)
                .map(volume -> offset(metadata, volume))
                .filter(offset -> ClaimArea.isPresent(device.medium(), offset))
                .map(offset -> ClaimArea.open(device.medium(), offset));
    }

    private static LogicalVolume make(GroupDevice device, GroupMetadata metadata) {
        VolumeGroup group = metadata.group();
        long bytes = ClaimArea.bytes(device.isShared() ? SHARED_HOSTS : LOCAL_HOSTS);
        long extents = (bytes + group.extentBytes() - 1) / group.extentBytes();
        GroupEdit edit = metadata.edit();
        LogicalVolume volume = edit.create(VOLUME, extents, List.of());
        if (volume.segments().size() != 1) {
            throw ErrorCode.SR_NO_SPACE.because(
                    "%s has no %d MiB in one piece, which claims of hosts need"
                            .formatted(device.medium().name(), bytes >> 20));
        }
        for (ExtentRun run : edit.taken()) {
            device.medium()
                    .zero(
                            metadata.offsetOf(run.pv(), run.start()),
                            run.count() * group.extentBytes());
        }
        device.medium().flush();
        metadata.commit(edit.done());
        return metadata.group().volume(VOLUME).orElseThrow();
    }

    private static long offset(GroupMetadata metadata, LogicalVolume volume) {
        List<ExtentRun> runs = volume.segments().stream().flatMap(s -> s.runs().stream()).toList();
        if (!volume.isLinear() || runs.size() != 1) {
            throw ErrorCode.SR_METADATA.because(
                    "the volume %s of %s lies in several pieces, which it must not"
                            .formatted(VOLUME, metadata.group().name()));
        }
        return metadata.offsetOf(runs.getFirst().pv(), runs.getFirst().start());
    }
}
