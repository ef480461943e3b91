// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** What a daemon that ended was still making. */
final class Leftovers {
    private Leftovers() {}

    /** Removals of images that this host was making, or that any was when there is no other. */
    static List<VolumeChange> of(GroupState state, LvmAccess access, Predicate<LvmId> open) {
        String mine = VolumeNames.incomingTag(access.host());
        List<VolumeChange> removals = new ArrayList<>();
        for (VolumeId id : state.ids()) {
            LogicalVolume volume = state.volume(id).orElseThrow();
            boolean left = access.owner().isAlone() || volume.tags().contains(mine);
            if (id.kind() == VolumeKind.INCOMING && left && !open.test(volume.id())) {
                removals.add(new VolumeChange.Delete(id));
            }
        }
        return removals;
    }
}
