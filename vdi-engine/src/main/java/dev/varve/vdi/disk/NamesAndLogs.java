// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.cbt.LogRotation;
import dev.varve.vdi.store.VolumeChange;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** New images get their names, and logs of changed blocks those of the intervals that end. */
record NamesAndLogs(List<VolumeChange> names, Optional<LogRotation> logs)
        implements ImageBranches.Finish {
    @Override
    public List<VolumeChange> changes() {
        List<VolumeChange> all = new ArrayList<>(names);
        logs.ifPresent(each -> all.addAll(each.changes()));
        return all;
    }

    @Override
    public Runnable atOnce(UUID disk) {
        return logs.map(each -> each.atOnce(disk)).orElse(() -> {});
    }

    /** What is written between a look at an empty leaf and the change would be in no log. */
    @Override
    public boolean splits(UUID disk) {
        return logs.isPresent() && logs.get().concerns(disk);
    }
}
