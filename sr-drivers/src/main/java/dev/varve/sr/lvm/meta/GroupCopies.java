// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Picks, of the copies of a group in several metadata areas, the one that counts: the one with the
 * highest sequence number. A copy that is damaged is passed over when there is another one; the
 * next commit mends it.
 */
final class GroupCopies {
    private GroupCopies() {}

    /**
     * Reads all headers, and of the texts those that differ.
     *
     * @throws StorageException LVM_NO_VOLUME_GROUP when no area has a text, SR_METADATA when none
     *     has one that is whole
     */
    static VolumeGroup newest(List<MetadataArea> areas, String where) {
        List<byte[]> seen = new ArrayList<>();
        VolumeGroup newest = null;
        StorageException damage = null;
        for (MetadataArea area : areas) {
            try {
                Optional<VolumeGroup> found = read(area, seen);
                newest = found.isPresent() ? newer(newest, found.get(), where) : newest;
            } catch (StorageException failed) {
                damage = firstOf(damage, failed);
            }
        }
        if (newest != null) {
            return newest;
        }
        if (damage != null) {
            throw damage;
        }
        throw ErrorCode.LVM_NO_VOLUME_GROUP.because(
                "%s belongs to no volume group that is described there".formatted(where));
    }

    /** Damage of a copy can be passed over; a device that cannot be read cannot. */
    private static StorageException firstOf(StorageException before, StorageException now) {
        if (now.code() != ErrorCode.SR_METADATA) {
            throw now;
        }
        return before == null ? now : before;
    }

    private static Optional<VolumeGroup> read(MetadataArea area, List<byte[]> seen) {
        Optional<byte[]> text = area.read();
        if (text.isEmpty() || seen.stream().anyMatch(one -> Arrays.equals(one, text.get()))) {
            return Optional.empty();
        }
        VolumeGroup group = GroupReader.read(text.get(), area.name());
        seen.add(text.get());
        return Optional.of(group);
    }

    private static VolumeGroup newer(VolumeGroup one, VolumeGroup other, String where) {
        if (one == null) {
            return other;
        }
        if (!one.id().equals(other.id())) {
            throw ErrorCode.PVS_FAILED.because(
                    "%s belong to different volume groups: '%s' (%s) and '%s' (%s)"
                            .formatted(where, one.name(), one.id(), other.name(), other.id()));
        }
        return other.sequence() > one.sequence() ? other : one;
    }
}
