// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.sr.host.HostCommand;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.host.Signature;
import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** What is on a device, with {@code blkid} and the programs that make such content as judges. */
class KnownContentTest {
    private static final long SIZE = 300L << 20;

    @TempDir Path directory;
    private Path file;

    @BeforeEach
    void makeDevice() throws IOException {
        file = directory.resolve("device");
        resize(SIZE);
    }

    private void resize(long bytes) throws IOException {
        try (RandomAccessFile device = new RandomAccessFile(file.toString(), "rw")) {
            device.setLength(bytes);
        }
    }

    private void put(long offset, byte[] bytes) throws IOException {
        try (RandomAccessFile device = new RandomAccessFile(file.toString(), "rw")) {
            device.seek(offset);
            device.write(bytes);
        }
    }

    private void put(long offset, String bytes) throws IOException {
        put(offset, bytes.getBytes(StandardCharsets.ISO_8859_1));
    }

    private List<Signature> look() {
        try (FileMedium medium = FileMedium.open(file, 512, false)) {
            return KnownContent.of(medium);
        }
    }

    private List<String> types() {
        return look().stream().map(Signature::type).toList();
    }

    private static HostCommand.Result run(String program, String... arguments) {
        boolean there =
                Files.isExecutable(Path.of("/usr/sbin", program))
                        || Files.isExecutable(Path.of("/usr/bin", program));
        assumeTrue(there, "needs the program " + program);
        return new HostCommand(program, program, 60).run(ErrorCode.SR_GENERAL, List.of(arguments));
    }

    private String blkid(String tag) {
        HostCommand.Result result = run("blkid", "-p", "-o", "value", "-s", tag, file.toString());
        return result.output().strip();
    }

    @Test
    void emptyDeviceHoldsNothing() {
        assertEquals(List.of(), look());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 4096, 8192, 65536, 1 << 20})
    void smallDeviceIsLookedAtToo(long bytes) throws IOException {
        resize(0);
        resize(bytes);
        assertEquals(List.of(), look());
    }

    @Test
    void noiseIsNothing() throws IOException {
        byte[] noise = new byte[600 << 10];
        new Random(5).nextBytes(noise);
        put(0, noise);
        assertEquals(List.of(), look());
    }

    @ParameterizedTest
    @CsvSource({
        "mkfs.ext2, ext2, -q -F -L LABEL",
        "mkfs.ext3, ext3, -q -F -L LABEL",
        "mkfs.ext4, ext4, -q -F -L LABEL",
        "mkswap, swap, -L LABEL"
    })
    void whatProgramsMakeIsWhatBlkidSays(String program, String type, String options) {
        List<String> words = new ArrayList<>(List.of(options.split(" ", -1)));
        words.add(file.toString());
        HostCommand.Result made = run(program, words.toArray(String[]::new));
        assertEquals(0, made.status(), made.lastLines());
        List<Signature> found = look();
        assertEquals(1, found.size(), found::toString);
        assertEquals(type, found.getFirst().type());
        assertEquals(type, blkid("TYPE"));
        if (!found.getFirst().uuid().isEmpty()) {
            assertEquals(blkid("UUID"), found.getFirst().uuid());
        }
        if (!found.getFirst().label().isEmpty()) {
            assertEquals("LABEL", found.getFirst().label());
        }
    }

    /** The copy at the end alone is enough; the entry that covers a GPT's disk is no table. */
    @Test
    void tablesOfPartitionsAreRecognised() throws IOException {
        put(510, new byte[] {0x55, (byte) 0xAA});
        assertEquals(List.of("dos partition table"), types());
        byte[] guid = {
            0x67, 0x45, 0x23, 1, (byte) 0xAB, (byte) 0x89, (byte) 0xEF, (byte) 0xCD, 1, 2
        };
        for (long header : new long[] {512, 4096, SIZE - 512, SIZE - 4096}) {
            put(header, "EFI PART");
            put(header + 56, guid);
            Signature table = look().getFirst();
            assertEquals("gpt partition table", table.type());
            assertEquals("01234567-89ab-cdef-0102-000000000000", table.uuid());
            assertEquals(1, look().size());
            put(header, new byte[512]);
        }
    }

    @Test
    void fileSystemWithABootSectorIsNoTable() throws IOException {
        put(510, new byte[] {0x55, (byte) 0xAA});
        put(82, "FAT32   ");
        assertEquals(List.of("vfat"), types());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.90", "1.0", "1.1", "1.2"})
    void membersOfRaidsAreRecognised(String version) throws IOException {
        byte[] magic = {
            (byte) 0xFC, 0x4E, 0x2B, (byte) 0xA9, (byte) (version.equals("0.90") ? 0 : 1)
        };
        switch (version) {
            case "0.90" -> put(SIZE - (64 << 10), magic);
            case "1.0" -> put(SIZE - 8192, magic);
            case "1.1" -> put(0, magic);
            default -> put(4096, magic);
        }
        assertEquals(List.of("linux_raid_member"), types());
    }

    @Test
    void everyMagicIsFoundAtItsPlace() throws IOException {
        for (Magic magic : Magic.TABLE) {
            put(magic.offset(), magic.bytes());
            assertTrue(types().contains(magic.type()), magic::toString);
            put(magic.offset(), new byte[magic.bytes().length()]);
            assertEquals(List.of(), types());
        }
    }

    /** With the UUID of the volume manager, whose programs are not needed for it. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void physicalVolumeIsRecognised(int sector) throws IOException {
        put(sector * 512L, "LABELONE");
        put(sector * 512L + 24, "LVM2 001abcdef0123ABCD4567efgh89ijKLmnop01");
        assertEquals(
                List.of(new Signature("LVM2_member", "abcdef-0123-ABCD-4567-efgh-89ij-KLmnop", "")),
                look());
    }

    @Test
    void encryptedDeviceAndPlacesAtTheEndAreRecognised() throws IOException {
        put(0, "LUKS\u00ba\u00be\0\1");
        put(SIZE - 512, new byte[] {(byte) 0xDE, 0x11, (byte) 0xDE, 0x11});
        put(SIZE - 1024, "Intel Raid ISM Cfg Sig. ");
        put(SIZE - 4096 + 60, new byte[] {(byte) 0x83, 0x74, 0x02, 0x6B});
        put(200 << 10, new byte[] {0x0C, (byte) 0xB1, (byte) 0xBA, 0});
        assertEquals(
                List.of("crypto_LUKS", "ddf_raid_member", "isw_raid_member", "drbd", "zfs_member"),
                types());
    }

    /** A disk that was a RAID member and got a file system is both, and both are told. */
    @Test
    void allThatIsThereIsTold() throws IOException {
        put(0, "XFSB");
        put(4096, new byte[] {(byte) 0xFC, 0x4E, 0x2B, (byte) 0xA9, 1});
        assertEquals(List.of("xfs", "linux_raid_member"), types());
        assertEquals("xfs and linux_raid_member", Signature.describe(look()));
    }

    @Test
    void loopDeviceIsReadAsTheFile() throws IOException {
        LoopDevice.assumePossible();
        put(0, "XFSB");
        try (LoopDevice loop = LoopDevice.of(file);
                FileMedium medium = FileMedium.open(loop.node(), 512, false)) {
            assertEquals("xfs", KnownContent.of(medium).getFirst().type());
        }
    }
}
