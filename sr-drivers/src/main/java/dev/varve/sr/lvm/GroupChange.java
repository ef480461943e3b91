// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What is going to change at once: the group, what the log has to say about it, and which volumes
 * the management volume has to describe anew afterwards.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class GroupChange {
    final GroupEdit edit;
    final List<AttributeRecord> records = new ArrayList<>();
    final Set<VolumeId> touched = new LinkedHashSet<>();

    /** Whether the group itself changes. */
    boolean ofGroup;

    GroupChange(GroupEdit edit) {
        this.edit = edit;
    }

    boolean isEmpty() {
        return !ofGroup && records.isEmpty();
    }
}
