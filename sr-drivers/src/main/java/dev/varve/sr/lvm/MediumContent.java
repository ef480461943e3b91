// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.KnownContent;
import dev.varve.sr.host.Signature;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.vdi.StorageException;

import java.util.List;
import java.util.Optional;

/**
 * What is on a block device, with volume groups by their names, for a look before it is written
 * over.
 *
 * <p><b>Threads:</b> any that may wait for the device.
 */
public final class MediumContent {
    /** What the type of a physical volume is called. */
    public static final String MEMBER = "LVM2_member";

    private MediumContent() {}

    /** All that is recognised; a physical volume has the name of its group as its label. */
    public static List<Signature> of(BlockMedium medium) {
        return KnownContent.of(medium).stream().map(found -> named(medium, found)).toList();
    }

    private static Signature named(BlockMedium medium, Signature found) {
        return found.type().equals(MEMBER)
                ? new Signature(MEMBER, found.uuid(), groupName(medium).orElse(""))
                : found;
    }

    /** The name of the volume group on a device; nothing when there is none that can be read. */
    public static Optional<String> groupName(BlockMedium medium) {
        try {
            return Optional.of(GroupMetadata.open(medium).group().name());
        } catch (StorageException e) {
            // A label without a group, or a damaged group: it is told without a name.
            return Optional.empty();
        }
    }
}
