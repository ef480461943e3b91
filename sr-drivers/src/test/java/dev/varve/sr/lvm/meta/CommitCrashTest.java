// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.CrashMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A crash after any write, with any of the blocks lost that were not yet durable, leaves the old
 * group or the new one.
 */
class CommitCrashTest {
    private static final int COMMITS = 40;
    private static final int CRASHES_PER_WRITE = 8;

    private final Random random = new Random(4711);
    private int crashes;

    @Test
    void leavesTheOldGroupOrTheNewOne() {
        changeAndCrash(Groups.device(512));
    }

    @Test
    void doesSoOnBlocksOf4096Bytes() {
        changeAndCrash(Groups.device(4096));
    }

    @Test
    void doesSoWithTwoMetadataAreas() {
        changeAndCrash(Groups.deviceWithTwoAreas());
    }

    private void changeAndCrash(CrashMedium medium) {
        GroupMetadata metadata = Groups.open(medium);
        boolean wrapped = false;
        long before = 0;
        for (int number = 0; number < COMMITS; number++) {
            VolumeGroup old = metadata.group();
            VolumeGroup next = someEdit(metadata, number).done();
            Set<String> allowed = Set.of(Groups.text(old), Groups.text(next));
            medium.afterWrite(() -> crash(medium, allowed));
            metadata.commit(next);
            medium.afterWrite(() -> {});
            assertEquals(0, medium.pendingBlocks());
            assertEquals(Groups.text(next), after(medium.keepFirst(0)));
            long offset = locationOf(medium);
            wrapped |= offset < before;
            before = offset;
        }
        assertTrue(wrapped, "the texts never came to the end of the area");
        assertTrue(crashes > COMMITS * CRASHES_PER_WRITE);
    }

    private GroupEdit someEdit(GroupMetadata metadata, int number) {
        GroupEdit edit = metadata.edit();
        List<String> names = new ArrayList<>(metadata.group().volumes().keySet());
        if (names.size() > 20 || (random.nextInt(4) == 0 && !names.isEmpty())) {
            edit.remove(names.get(random.nextInt(names.size())));
        }
        if (edit.freeExtents() > 0) {
            long extents = 1 + random.nextLong(Math.min(3, edit.freeExtents()));
            edit.create("volume" + number, extents, List.of("a"));
        }
        return edit;
    }

    private void crash(CrashMedium medium, Set<String> allowed) {
        for (int kept = 0; kept <= Math.min(medium.pendingBlocks(), CRASHES_PER_WRITE); kept++) {
            requireOneOf(medium.keepFirst(kept), allowed);
        }
        for (int count = 0; count < CRASHES_PER_WRITE; count++) {
            requireOneOf(medium.keepAny(random), allowed);
        }
    }

    private void requireOneOf(CrashMedium medium, Set<String> allowed) {
        crashes++;
        String found = after(medium);
        assertTrue(allowed.contains(found), found);
    }

    private static String after(CrashMedium medium) {
        return Groups.text(Groups.open(medium).group());
    }

    private static long locationOf(CrashMedium medium) {
        Label.Area area = GroupMetadata.label(medium).orElseThrow().metadataAreas().getFirst();
        byte[] header = medium.read(area.offset(), MetadataHeader.BYTES);
        return MetadataHeader.parse(header, area, "disk").text().orElseThrow().offset();
    }

    /**
     * A group that survived a crash between the headers of two areas goes on from the newer copy,
     * and the older one is mended by the next commit.
     */
    @Test
    void mendsTheOtherCopyWithTheNextCommit() {
        CrashMedium medium = Groups.deviceWithTwoAreas();
        Label label = GroupMetadata.label(medium).orElseThrow();
        GroupMetadata metadata = Groups.open(medium);
        List<CrashMedium> torn = new ArrayList<>();
        GroupEdit edit = metadata.edit();
        edit.create("new", 1, List.of());
        VolumeGroup next = edit.done();
        // Two texts, then two headers: the crash keeps the first header and loses the second.
        medium.afterWrite(
                () -> {
                    if (medium.pendingBlocks() > 0) {
                        torn.add(medium.keepFirst(1));
                    }
                });
        metadata.commit(next);
        CrashMedium left = torn.getLast();
        assertEquals(2, sequences(left, label).distinct().count());

        GroupMetadata again = Groups.open(left);
        assertEquals(2, again.group().sequence());
        again.commit(again.edit().done());
        assertEquals(List.of(3L, 3L), sequences(left, label).toList());
    }

    private static Stream<Long> sequences(CrashMedium medium, Label label) {
        return label.metadataAreas().stream()
                .map(area -> new MetadataArea(medium, area).read().orElseThrow())
                .map(text -> GroupReader.read(text, "disk").sequence());
    }

    /** Nobody knows what is on a device after a write failed, so the group has to be read again. */
    @Test
    void wantsTheGroupReadAgainAfterACommitThatFailed() {
        CrashMedium medium = Groups.device(512);
        GroupMetadata metadata = Groups.open(medium);
        VolumeGroup next = metadata.edit().done();
        medium.setBroken(true);
        assertThrows(StorageException.class, () -> metadata.commit(next));
        assertThrows(StorageException.class, metadata::reread);
        medium.setBroken(false);
        StorageException refused =
                assertThrows(StorageException.class, () -> metadata.commit(next));
        assertEquals(ErrorCode.LVM_WRITE, refused.code());
        assertEquals(1, metadata.reread().sequence());
        metadata.commit(next);
        assertEquals(2, Groups.open(medium).group().sequence());
    }

    /** A crash while a group is made leaves no physical volume or the whole group. */
    @Test
    void leavesNoGroupOrANewOneWhileItIsMade() {
        CrashMedium medium = new CrashMedium("disk", (1 << 20) + 100 * 4096, 512);
        int[] found = new int[1];
        medium.afterWrite(
                () -> {
                    for (int kept = 0; kept < 2 * CRASHES_PER_WRITE; kept++) {
                        CrashMedium left = medium.keepAny(random);
                        if (GroupMetadata.label(left).isPresent()) {
                            assertEquals("new", Groups.open(left).group().name());
                            found[0]++;
                        }
                    }
                });
        new NewGroup(medium, "new", Groups.AUTHOR, 60 << 10, 4096, List.of()).write();
        assertTrue(found[0] > 0);
    }
}
