// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.CrashMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Groups on devices: how they get there, who may change them, and what damage does. */
class GroupMetadataTest {
    private static final long MEBIBYTE = 1 << 20;

    private final CrashMedium medium = Groups.device(512);

    private static void addVolume(GroupMetadata metadata, String name) {
        GroupEdit edit = metadata.edit();
        edit.create(name, 1, List.of());
        metadata.commit(edit.done());
    }

    @Test
    void makesAGroupInTheLayoutOfLvm2() {
        CrashMedium device = new CrashMedium("disk", 30 << 20, 512);
        GroupMetadata metadata =
                GroupMetadata.create(
                        device,
                        "VG",
                        Groups.AUTHOR.random(),
                        Groups.AUTHOR.clock(),
                        GroupMetadata.DEFAULT_METADATA_BYTES,
                        GroupMetadata.DEFAULT_EXTENT_BYTES,
                        List.of("t"));
        Label label = GroupMetadata.label(device).orElseThrow();
        assertEquals(1, label.sector());
        assertTrue(label.isUsed());
        assertEquals(device.sizeBytes(), label.deviceBytes());
        assertEquals(List.of(new Label.Area(11 * MEBIBYTE, 0)), label.dataAreas());
        assertEquals(List.of(new Label.Area(4096, 11 * MEBIBYTE - 4096)), label.metadataAreas());
        assertEquals(4, metadata.group().extents());
        assertEquals(List.of("t"), metadata.group().tags());
        assertEquals(11 * MEBIBYTE + 3 * 4 * MEBIBYTE, metadata.offsetOf("pv0", 3));
        assertSame(device, metadata.medium("pv0"));
        assertThrows(IllegalArgumentException.class, () -> metadata.offsetOf("pv0", 5));
        assertThrows(IllegalArgumentException.class, () -> metadata.offsetOf("pv1", 0));
    }

    @Test
    void refusesADeviceThatIsTooSmall() {
        CrashMedium device = new CrashMedium("disk", 14 << 20, 512);
        StorageException refused =
                assertFails(
                        ErrorCode.LVM_GROUP_CREATE,
                        () ->
                                new NewGroup(
                                        device, "VG", Groups.AUTHOR, 10 << 20, 4 << 20, List.of()));
        assertTrue(refused.sentence().contains("needs 11534336"), refused.sentence());
    }

    @Test
    void readsOnlyWhatHasChanged() {
        GroupMetadata metadata = Groups.open(medium);
        VolumeGroup before = metadata.group();
        assertSame(before, metadata.reread());
        addVolume(Groups.open(medium), "new");
        assertSame(before, metadata.group());
        assertTrue(metadata.reread().volume("new").isPresent());
    }

    @Test
    void failsToCommitWhenAnotherProgramHasChangedTheGroup() {
        GroupMetadata one = Groups.open(medium);
        GroupMetadata other = Groups.open(medium);
        GroupEdit edit = one.edit();
        edit.create("lost", 1, List.of());
        VolumeGroup next = edit.done();
        addVolume(other, "kept");
        StorageException refused = assertFails(ErrorCode.LVM_WRITE, () -> one.commit(next));
        assertTrue(refused.sentence().contains("at sequence 1"), refused.sentence());
        assertFails(ErrorCode.LVM_WRITE, () -> one.commit(next));
        one.reread();
        assertThrows(IllegalArgumentException.class, () -> one.commit(next));
        addVolume(one, "again");
        assertEquals(List.of("kept", "again"), List.copyOf(other.reread().volumes().keySet()));
    }

    @Test
    void refusesAGroupThatDoesNotFollow() {
        GroupMetadata metadata = Groups.open(medium);
        VolumeGroup second = metadata.edit().done();
        VolumeGroup third = new GroupEdit(second).done();
        assertThrows(IllegalArgumentException.class, () -> metadata.commit(third));
        assertThrows(IllegalArgumentException.class, () -> metadata.commit(metadata.group()));
    }

    @Test
    void saysWhenTheMetadataAreaIsFull() {
        GroupMetadata metadata = Groups.open(medium);
        StorageException full =
                assertFails(
                        ErrorCode.SR_NO_SPACE,
                        () -> {
                            for (int number = 0; number < 100; number++) {
                                addVolume(metadata, "volume" + number);
                            }
                        });
        assertTrue(full.sentence().contains("at byte 4096 of disk has 28672"), full.sentence());
        // What made it full can be taken away, and then there is room again.
        GroupEdit edit = metadata.edit();
        edit.remove("volume3");
        metadata.commit(edit.done());
        addVolume(metadata, "another");
        assertEquals(Groups.text(metadata.group()), Groups.text(Groups.open(medium).group()));
    }

    @Test
    void keepsToTheOtherCopyWhenOneIsDamaged() {
        for (boolean text : new boolean[] {false, true}) {
            CrashMedium device = Groups.deviceWithTwoAreas();
            addVolume(Groups.open(device), "new");
            long area = GroupMetadata.label(device).orElseThrow().metadataAreas().get(1).offset();
            for (int at = 0; at < (text ? 8192 : 1); at++) {
                device.damage(area + (text ? 512 : 0) + at);
            }
            GroupMetadata metadata = Groups.open(device);
            assertEquals(2, metadata.group().sequence());
            assertSame(metadata.group(), metadata.reread());
            addVolume(metadata, "third");
            // The commit has mended it: now the first copy can go.
            for (int at = 0; at < 512; at++) {
                device.damage(4096 + at);
            }
            assertEquals(3, Groups.open(device).group().sequence());
        }
    }

    @Test
    void refusesDamageAndSaysWhere() {
        damaged(4096 + 30, ErrorCode.SR_METADATA, "header of the LVM metadata area at byte 4096");
        damaged(4096 + 2, ErrorCode.SR_METADATA, "has a wrong checksum");
        damaged(4096 + 600, ErrorCode.SR_METADATA, "the metadata text in the LVM metadata area");
        damaged(512 + 70, ErrorCode.PVS_FAILED, "the LVM label in sector 1 of disk has a wrong");
        damaged(512, ErrorCode.LVM_NO_VOLUME_GROUP, "disk has no LVM label");
    }

    private static void damaged(long offset, ErrorCode code, String reason) {
        CrashMedium device = Groups.device(512);
        device.damage(offset);
        StorageException refused = assertFails(code, () -> Groups.open(device));
        assertTrue(refused.sentence().contains(reason), refused.sentence());
    }

    @Test
    void refusesLocationsThatLieOutsideTheAreaOrFoldOntoThemselves() {
        Label.Area area = new Label.Area(4096, 28672);
        long size = 1000;
        for (MetadataHeader.Location bad :
                List.of(
                        new MetadataHeader.Location(28672, size, 0, 0),
                        new MetadataHeader.Location(4, size, 0, 0),
                        new MetadataHeader.Location(-512, size, 0, 0),
                        new MetadataHeader.Location(512, -1, 0, 0),
                        new MetadataHeader.Location(1024, 28672 - 511, 0, 0),
                        new MetadataHeader.Location(512, Long.MAX_VALUE, 0, 0))) {
            byte[] sector = new MetadataHeader(4096, 28672, List.of(bad)).encode();
            assertFails(ErrorCode.SR_METADATA, () -> MetadataHeader.parse(sector, area, "disk"));
        }
    }

    @Test
    void refusesALabelWhoseAreasDoNotFit() {
        Label label = GroupMetadata.label(medium).orElseThrow();
        for (Label.Area bad :
                List.of(
                        new Label.Area(medium.sizeBytes(), 4096),
                        new Label.Area(4096, medium.sizeBytes()),
                        new Label.Area(4096, 512),
                        new Label.Area(Long.MAX_VALUE - 4096, 8192),
                        new Label.Area(4096, -4096))) {
            Label made = new Label(1, label.pv(), 0, List.of(), List.of(bad), 2, 1, List.of());
            medium.write(512, made.encode());
            assertFails(ErrorCode.PVS_FAILED, () -> Groups.open(medium));
        }
        byte[] endless = label.encode();
        for (int at = 72; at < endless.length; at++) {
            endless[at] = 1;
        }
        byte[] sum = new byte[4];
        int checksum = LvmChecksum.of(endless, 20, 492);
        for (int at = 0; at < sum.length; at++) {
            endless[16 + at] = (byte) (checksum >>> (8 * at));
        }
        medium.write(512, endless);
        StorageException refused =
                assertFails(ErrorCode.PVS_FAILED, () -> GroupMetadata.label(medium));
        assertTrue(refused.sentence().contains("list without end"), refused.sentence());
    }

    @Test
    void findsTheLabelInAnyOfTheFirstSectors() {
        byte[] sector = medium.read(512, 512);
        sector[8] = 3;
        Label moved = GroupMetadata.label(medium).orElseThrow();
        Label third =
                new Label(
                        3,
                        moved.pv(),
                        moved.deviceBytes(),
                        moved.dataAreas(),
                        moved.metadataAreas(),
                        1,
                        0,
                        List.of());
        medium.write(512, new byte[512]);
        medium.write(1536, third.encode());
        assertEquals(third, GroupMetadata.label(medium).orElseThrow());
        assertEquals("group", Groups.open(medium).group().name());
        medium.write(512, sector);
        assertEquals(third, GroupMetadata.label(medium).orElseThrow());
    }

    @Test
    void wipesIt() {
        GroupMetadata metadata = Groups.open(medium);
        metadata.wipe();
        assertTrue(GroupMetadata.label(medium).isEmpty());
        assertEquals(0, medium.pendingBlocks());
        assertFails(ErrorCode.LVM_WRITE, () -> metadata.commit(metadata.edit().done()));
    }

    @Test
    void refusesCopiesOfADevice() {
        CrashMedium copy = medium.keepFirst(0);
        assertFails(ErrorCode.PV_MULTIPLE_IDS, () -> Groups.open(medium, copy));
    }

    /** A device that has shrunk since cannot hold what the group says of it. */
    @Test
    void doesNotWriteWhenTheDeviceIsTooSmall() {
        CrashMedium device = new CrashMedium("disk", 30 << 20, 512);
        new NewGroup(device, "VG", Groups.AUTHOR, 1 << 20, 4 << 20, List.of()).write();
        CrashMedium shrunk = new CrashMedium("disk", 20 << 20, 512);
        shrunk.write(0, device.read(0, 20 << 20));
        GroupMetadata metadata = Groups.open(shrunk);
        assertTrue(metadata.refusal().orElseThrow().contains("needs"));
        assertFails(ErrorCode.SR_NOT_WRITABLE, () -> metadata.commit(metadata.edit().done()));
    }

    // ---- the lock of this host's lvm2

    @Test
    void takesTheLockOfThisHostWhileItCommits(@TempDir Path locks) throws Exception {
        GroupMetadata metadata = GroupMetadata.open(List.of(medium), Groups.AUTHOR, locks);
        Path file = locks.resolve("V_group");
        boolean[] held = new boolean[1];
        medium.afterWrite(() -> held[0] |= isLocked(file));
        metadata.commit(metadata.edit().done());
        medium.afterWrite(() -> {});
        assertTrue(held[0]);
        assertFalse(Files.exists(file), "the lock of a group that may go soon is left behind");
        Files.createFile(file);
        metadata.commit(metadata.edit().done());
        assertFalse(Files.exists(file));
    }

    /** Who waited for a file that was removed meanwhile has locked nothing. */
    @Test
    void oneAtATimeHasTheLockThoughItsFileComesAndGoes(@TempDir Path locks) throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        Callable<Void> worker =
                () -> {
                    for (int round = 0; round < 300; round++) {
                        try (LocalLock _ = LocalLock.take(locks, "group")) {
                            most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                            inside.decrementAndGet();
                        }
                    }
                    return null;
                };
        try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
            for (Future<Void> done : threads.invokeAll(Collections.nCopies(3, worker))) {
                done.get();
            }
        }
        assertEquals(1, most.get());
    }

    private static boolean isLocked(Path file) {
        int fd = Libc.open(file.toString(), Libc.O_RDWR | Libc.O_CLOEXEC);
        assertTrue(fd >= 0);
        int result = Libc.flock(fd, Libc.LOCK_EX | Libc.LOCK_NB);
        Libc.close(fd);
        return result < 0;
    }

    // ---- checksums and identifiers

    @Test
    void checksumsAreThoseOfThePlainAlgorithm() {
        Random random = new Random(7);
        for (int length : new int[] {0, 1, 3, 4, 511, 4096}) {
            byte[] data = new byte[length + 2];
            random.nextBytes(data);
            assertEquals(plain(data, 1, length), LvmChecksum.of(data, 1, length));
        }
        assertEquals(0xF597A6CF, LvmChecksum.of(new byte[0]));
    }

    private static int plain(byte[] data, int offset, int length) {
        int crc = 0xF597A6CF;
        for (int at = offset; at < offset + length; at++) {
            crc ^= data[at] & 0xFF;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) != 0 ? crc >>> 1 ^ 0xEDB88320 : crc >>> 1;
            }
        }
        return crc;
    }

    @Test
    void identifiersHaveTheirForm() {
        LvmId id = LvmId.random(Groups.AUTHOR.random());
        assertTrue(id.text().matches("\\w{6}-(\\w{4}-){5}\\w{6}"), id.text());
        assertEquals(id, LvmId.ofCharacters(id.characters()));
        assertNotEquals(id, LvmId.random(Groups.AUTHOR.random()));
        for (String bad : List.of("", Groups.id(0).replace('-', '_'), Groups.id(0) + "a")) {
            assertThrows(IllegalArgumentException.class, () -> new LvmId(bad));
        }
    }
}
