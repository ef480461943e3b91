// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** What edits make of a group, and where extents come from. */
class GroupEditTest {
    private static GroupEdit edit(VolumeGroup group) {
        return new GroupEdit(group, Groups.author(group.sequence()));
    }

    /** A group of 100 extents whose free runs are 10-12, 20-25 and 90-99. */
    private static VolumeGroup holes() {
        GroupEdit edit = edit(Groups.empty(100));
        edit.create("a", 10, List.of());
        edit.create("hole1", 3, List.of());
        edit.create("b", 7, List.of());
        edit.create("hole2", 6, List.of());
        edit.create("c", 64, List.of());
        VolumeGroup full = edit.done();
        GroupEdit removal = edit(full);
        removal.remove("hole1");
        removal.remove("hole2");
        VolumeGroup group = removal.done();
        assertEquals(List.of(run(10, 3), run(20, 6), run(90, 10)), group.free().runs());
        assertEquals(19, group.freeExtents());
        return group;
    }

    private static ExtentRun run(long start, long count) {
        return new ExtentRun("pv0", start, count);
    }

    private static List<ExtentRun> runs(LogicalVolume volume) {
        return volume.segments().stream().flatMap(segment -> segment.runs().stream()).toList();
    }

    @Test
    void takesTheSmallestRunThatHasRoom() {
        GroupEdit edit = edit(holes());
        assertEquals(List.of(run(20, 5)), runs(edit.create("x", 5, List.of())));
        assertEquals(List.of(run(10, 3)), runs(edit.create("y", 3, List.of())));
        assertEquals(List.of(run(90, 7)), runs(edit.create("z", 7, List.of())));
        assertEquals(List.of(run(20, 5), run(10, 3), run(90, 7)), edit.taken());
        assertEquals(4, edit.done().freeExtents());
    }

    @Test
    void growsInPlaceWhereTheNextExtentsAreFree() {
        GroupEdit edit = edit(holes());
        LogicalVolume grown = edit.extend("a", 3);
        assertEquals(List.of(new Segment.Linear(0, 13, "pv0", 0)), grown.segments());
        assertEquals(List.of(run(10, 3)), edit.taken());
    }

    @Test
    void growsElsewhereInOnePieceWhereTheNextExtentsDoNotSuffice() {
        GroupEdit edit = edit(holes());
        LogicalVolume grown = edit.extend("a", 4);
        assertEquals(
                List.of(new Segment.Linear(0, 10, "pv0", 0), new Segment.Linear(10, 4, "pv0", 20)),
                grown.segments());
    }

    @Test
    void takesFewPiecesWhereNoRunHasRoom() {
        GroupEdit edit = edit(holes());
        assertEquals(List.of(run(90, 10), run(10, 2)), runs(edit.create("x", 12, List.of())));
        GroupEdit other = edit(holes());
        assertEquals(List.of(run(0, 13), run(90, 10), run(20, 1)), runs(other.extend("a", 14)));
    }

    @Test
    void refusesWhatThereIsNoRoomForAndStaysAsItWas() {
        GroupEdit edit = edit(holes());
        assertFails(ErrorCode.SR_NO_SPACE, () -> edit.create("x", 20, List.of()));
        assertFails(ErrorCode.SR_NO_SPACE, () -> edit.extend("a", 20));
        assertEquals(19, edit.freeExtents());
        assertTrue(edit.volume("x").isEmpty());
        assertEquals(List.of(), edit.taken());
    }

    /** A crash before the commit leaves the group in which they hold data. */
    @Test
    void givesNoExtentsOutThatComeFreeInTheSameEdit() {
        GroupEdit edit = edit(holes());
        edit.remove("c");
        edit.reduce("a", 5);
        assertEquals(19, edit.freeExtents());
        assertFails(ErrorCode.SR_NO_SPACE, () -> edit.create("x", 20, List.of()));
        assertEquals(List.of(run(26, 64), run(5, 5)), edit.freed());
        VolumeGroup next = edit.done();
        assertEquals(19 + 64 + 5, next.freeExtents());
        assertEquals(List.of(run(5, 8), run(20, 80)), next.free().runs());
    }

    @Test
    void renamesMarksAndTags() {
        VolumeGroup group = holes();
        GroupEdit edit = edit(group);
        LogicalVolume before = group.volume("a").orElseThrow();
        edit.rename("a", "d");
        edit.setWritable("d", false);
        edit.addTag("d", "hidden");
        edit.addTag("d", "hidden");
        edit.addTag("b", "x");
        edit.removeTag("b", "x");
        edit.addGroupTag("pool");
        VolumeGroup next = edit.done();
        LogicalVolume after = next.volume("d").orElseThrow();
        assertEquals(before.id(), after.id());
        assertEquals(before.segments(), after.segments());
        assertFalse(after.isWritable());
        assertEquals(List.of("READ", "VISIBLE"), after.status());
        assertEquals(List.of("hidden"), after.tags());
        assertEquals(List.of(), next.volume("b").orElseThrow().tags());
        assertTrue(next.volume("a").isEmpty());
        assertEquals(List.of("pool"), next.tags());
        assertEquals(group.sequence() + 1, next.sequence());
        assertEquals(holes().volumes().keySet(), group.volumes().keySet());
        GroupEdit back = edit(next);
        back.setWritable("d", true);
        assertEquals(before.status(), back.done().volume("d").orElseThrow().status());
    }

    @Test
    void aVolumeTakesTheNameOfAnotherOneThatGoes() {
        GroupEdit edit = edit(holes());
        assertFails(ErrorCode.LVM_CREATE, () -> edit.rename("a", "b"));
        edit.remove("b");
        edit.rename("a", "b");
        assertEquals(10, edit.done().volume("b").orElseThrow().extents());
    }

    @Test
    void refusesWhatIsNotThereOrCannotBe() {
        GroupEdit edit = edit(holes());
        assertFails(ErrorCode.VOLUME_NOT_FOUND, () -> edit.extend("x", 1));
        assertFails(ErrorCode.VOLUME_NOT_FOUND, () -> edit.remove("x"));
        assertFails(ErrorCode.LVM_CREATE, () -> edit.create("a", 1, List.of()));
        assertFails(ErrorCode.LVM_RESIZE, () -> edit.reduce("a", 10));
        for (String name :
                List.of("", ".", "..", "-a", "a b", "a/b", "pvmove0", "x_rimage_0", "ä")) {
            assertThrows(
                    IllegalArgumentException.class, () -> edit.create(name, 1, List.of()), name);
        }
        // group- and the name with its hyphens doubled must not be longer than 127 together.
        assertThrows(
                IllegalArgumentException.class,
                () -> edit.create("x" + "-".repeat(61), 1, List.of()));
        edit.create("x" + "-".repeat(60), 1, List.of());
        for (String tag : List.of("", "-a", "a b", "a\"b", "ü")) {
            assertThrows(IllegalArgumentException.class, () -> edit.addTag("a", tag), tag);
        }
        assertThrows(IllegalArgumentException.class, () -> edit.create("y", 0, List.of()));
        edit.done();
        assertThrows(IllegalStateException.class, edit::done);
    }

    @Test
    void takesNothingFromAPhysicalVolumeThatMayNotBeAllocatedFrom() {
        VolumeGroup group =
                Groups.read(
                        Groups.text(Groups.empty(10, 20))
                                .replaceFirst("\\[\"ALLOCATABLE\"\\]", "[]"));
        assertEquals(30, group.freeExtents());
        GroupEdit edit = edit(group);
        assertEquals(20, edit.freeExtents());
        edit.create("x", 20, List.of());
        assertFails(ErrorCode.SR_NO_SPACE, () -> edit.create("y", 1, List.of()));
        assertEquals(10, edit.done().freeExtents());
    }

    // ---- against a map of who has which extent

    @Test
    void keepsTrackOfEveryExtent() {
        for (long seed = 1; seed <= 3; seed++) {
            new Model(seed).run(80);
        }
    }

    /** Who has which extent of two physical volumes; free is "". */
    private static final class Model {
        private final Random random;
        private final Map<String, String[]> owners = new HashMap<>();
        private VolumeGroup group = Groups.empty(70, 50);
        private int made;

        Model(long seed) {
            random = new Random(seed);
            owners.put("pv0", free(70));
            owners.put("pv1", free(50));
        }

        private static String[] free(int count) {
            String[] extents = new String[count];
            Arrays.fill(extents, "");
            return extents;
        }

        void run(int edits) {
            for (int number = 0; number < edits; number++) {
                GroupEdit edit = edit(group);
                int steps = 1 + random.nextInt(3);
                for (int step = 0; step < steps; step++) {
                    change(edit);
                }
                VolumeGroup next = edit.done();
                follow(edit, next);
                VolumeGroup read = Groups.read(Groups.text(next));
                assertEquals(Groups.text(next), Groups.text(read));
                assertEquals(read.free(), next.free());
                group = next;
            }
        }

        private void change(GroupEdit edit) {
            List<String> names = new ArrayList<>(group.volumes().keySet());
            names.removeIf(name -> edit.volume(name).isEmpty());
            String name = names.isEmpty() ? "" : names.get(random.nextInt(names.size()));
            long size = 1L + random.nextInt(8);
            switch (random.nextInt(5)) {
                case 0, 1 -> grow(edit, "volume" + made++, size);
                case 2 -> grow(edit, name, size);
                case 3 -> shrink(edit, name, size);
                default -> remove(edit, name);
            }
        }

        private void grow(GroupEdit edit, String name, long size) {
            if (name.isEmpty() || size > edit.freeExtents()) {
                return;
            }
            long before = edit.volume(name).map(LogicalVolume::extents).orElse(0L);
            long free = edit.freeExtents();
            LogicalVolume after =
                    before == 0 ? edit.create(name, size, List.of()) : edit.extend(name, size);
            assertEquals(before + size, after.extents());
            assertEquals(free - size, edit.freeExtents());
        }

        private void shrink(GroupEdit edit, String name, long size) {
            if (!name.isEmpty() && edit.volume(name).orElseThrow().extents() > size) {
                edit.reduce(name, size);
            }
        }

        private void remove(GroupEdit edit, String name) {
            if (!name.isEmpty()) {
                edit.remove(name);
            }
        }

        /** Extents that were taken were free, those that came free are, and nothing else moved. */
        private void follow(GroupEdit edit, VolumeGroup next) {
            Map<String, String[]> after = Map.of("pv0", free(70), "pv1", free(50));
            for (LogicalVolume volume : next.volumes().values()) {
                for (ExtentRun run : runs(volume)) {
                    for (long extent = run.start(); extent < run.end(); extent++) {
                        assertEquals("", after.get(run.pv())[(int) extent]);
                        after.get(run.pv())[(int) extent] = volume.name();
                    }
                }
            }
            Map<String, String[]> expected =
                    Map.of("pv0", owners.get("pv0").clone(), "pv1", owners.get("pv1").clone());
            mark(edit.taken(), expected, "", "taken");
            mark(edit.freed(), expected, null, "");
            expected.forEach((pv, extents) -> assertMatches(extents, after.get(pv)));
            owners.putAll(after);
        }

        private void mark(
                List<ExtentRun> runs, Map<String, String[]> extents, String was, String is) {
            for (ExtentRun run : runs) {
                for (long extent = run.start(); extent < run.end(); extent++) {
                    String[] places = extents.get(run.pv());
                    if (was != null) {
                        assertEquals(was, places[(int) extent]);
                    }
                    places[(int) extent] = is;
                }
            }
        }

        private void assertMatches(String[] expected, String[] actual) {
            for (int extent = 0; extent < expected.length; extent++) {
                if (expected[extent].equals("taken")) {
                    assertFalse(actual[extent].isEmpty());
                } else {
                    assertEquals(expected[extent], actual[extent]);
                }
            }
        }
    }
}
