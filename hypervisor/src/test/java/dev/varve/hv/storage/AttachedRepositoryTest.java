// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

final class AttachedRepositoryTest {
    private static final UUID DISK = new UUID(1, 1);
    private static final UUID NODE = new UUID(1, 2);

    private final AttachedRepository repository = new AttachedRepository(null, null);

    private static List<String> text(UUID vdi) {
        return List.of(vdi.toString());
    }

    private static DiskChanges removal() {
        return new DiskChanges(List.of(), List.of(NODE));
    }

    private static DiskChanges change() {
        VdiInfo node =
                new VdiInfo(
                        NODE,
                        VolumeKind.VHD,
                        1,
                        1,
                        false,
                        false,
                        "",
                        "",
                        Optional.empty(),
                        Optional.empty(),
                        Map.of(),
                        false,
                        new VdiState.Valid());
        return new DiskChanges(List.of(node), List.of());
    }

    @Test
    void distrustsAScanAboutWhatWasWorkedOnSinceItBegan() {
        repository.begin(text(DISK));
        repository.scanning();
        repository.end(text(DISK));
        assertFalse(repository.untouched(DISK.toString()));
        assertFalse(repository.isQuiet());
        repository.scanning();
        assertTrue(repository.untouched(DISK.toString()));
        assertTrue(repository.isQuiet());
    }

    @Test
    void distrustsAScanAboutNodesThatOperationsMadeOrRemoved() {
        repository.scanning();
        repository.begin(text(DISK));
        assertTrue(repository.untouched(NODE.toString()));
        repository.changed(change());
        assertFalse(repository.untouched(NODE.toString()));
        repository.scanning();
        assertTrue(repository.untouched(NODE.toString()));
        repository.changed(removal());
        assertFalse(repository.untouched(NODE.toString()));
    }

    @Test
    void remembersWhatIsGoneAsLongAsSomebodyWorksWhoMayHaveSeenIt() {
        repository.begin(text(DISK));
        repository.begin(text(NODE));
        repository.changed(removal());
        repository.end(text(NODE));
        assertTrue(repository.isRemoved(NODE));
        assertFalse(repository.isRemoved(DISK));
        repository.end(text(DISK));
        assertFalse(repository.isRemoved(NODE));
    }
}
