// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

class MountTableTest {
    private static final String TEXT =
            """
            21 26 0:20 / /proc rw,relatime - proc proc rw
            40 26 7:1 / /mnt/a\\040b\\134c\\012d rw,noatime shared:5 master:2 - ext4 /dev/loop1 ro,errors=remount-ro
            41 26 7:2 / /mnt/x rw - ext4 /dev/loop2 rw
            42 26 7:1 /sub /mnt/x rw - ext4 /dev/loop1 rw
            """;

    @Test
    void fieldsAreFoundWithAndWithoutOptionalOnes() {
        MountTable table = MountTable.parse(TEXT);
        assertEquals(
                new MountTable.Mount(
                        "7:1",
                        Path.of("/mnt/a b\\c\nd"),
                        List.of("rw", "noatime", "ro", "errors=remount-ro"),
                        "ext4",
                        "/dev/loop1"),
                table.mounts().get(1));
        assertEquals(2, table.of("7:1").size());
        assertEquals(List.of(), table.of("7:11"));
    }

    @Test
    void lastMountHidesTheOnesBefore() {
        MountTable table = MountTable.parse(TEXT);
        assertEquals("7:1", table.at(Path.of("/mnt/x")).orElseThrow().device());
        assertEquals(Optional.empty(), table.at(Path.of("/mnt")));
    }

    @ParameterizedTest
    @CsvSource({
        "plain,plain",
        "'a\\040b','a b'",
        "'\\303\\274',ü",
        "'ü\\011',ü\t",
        "'\\04','\\04'",
        "'\\999','\\999'",
        "'\\777','\\777'",
        "'\\','\\'"
    })
    void octalNumbersAreBytes(String escaped, String plain) {
        assertEquals(
                plain.strip(), MountTable.unescape(escaped).strip(), "blanks around do not matter");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x",
                "21 26 0:20 / /proc rw",
                "21 26 0:20 / /p rw - proc",
                "1 2 3 4 5 6 7 8 9"
            })
    void lineOfAnotherFormIsAnError(String line) {
        assertFails(ErrorCode.SR_GENERAL, () -> MountTable.parse(line));
    }

    @Test
    void tableOfThisMachineIsUnderstood() {
        assertTrue(MountTable.read().at(Path.of("/proc")).isPresent());
    }
}
