// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** What the journal of a change of roles looks like on the medium. */
class PlanJournalTest {
    private static final VolumeId IMAGE = new VolumeId(VolumeKind.VHD, new UUID(0x4000, 1));
    private static final VolumeId JOURNAL = new VolumeId(VolumeKind.JOURNAL, new UUID(0x4000, 2));

    private static PlanJournal journal(int patchBytes) {
        return new PlanJournal(
                IMAGE,
                new ImageRole(new UUID(0x4000, 3), true, Optional.empty()),
                List.of(new ImagePatch(512, new byte[patchBytes])),
                List.of());
    }

    /** A volume of a device with blocks of 4096 bytes has no other sizes. */
    @ParameterizedTest
    @ValueSource(ints = {512, 3072, 3584, 4096, 20480})
    void consistsOfWholePages(int patchBytes) {
        assertEquals(0, journal(patchBytes).encode().length % 4096);
    }

    @Test
    void isReadFromAVolumeThatIsLarger() {
        PlanJournal journal = journal(4096);
        byte[] volume = Arrays.copyOf(journal.encode(), 1 << 20);
        PlanJournal read = PlanJournal.decode(volume, JOURNAL);
        assertEquals(journal.image(), read.image());
        assertEquals(journal.role(), read.role());
    }
}
