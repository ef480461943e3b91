// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;

import java.util.Optional;

class SignatureTest {
    @Test
    void fileSystemIsRecognised() {
        Signature found =
                Signature.parse(
                                """
                                DEVNAME=/dev/loop0
                                LABEL=my\\ disk\\=1
                                UUID=28b7b5a1-7bd8-44b6-b9ab-d0dd7cebc4d9
                                VERSION=1.0
                                TYPE=ext4
                                USAGE=filesystem
                                """)
                        .orElseThrow();
        assertEquals(
                new Signature("ext4", "28b7b5a1-7bd8-44b6-b9ab-d0dd7cebc4d9", "my disk=1"), found);
        assertEquals("ext4 \"my disk=1\" 28b7b5a1-7bd8-44b6-b9ab-d0dd7cebc4d9", found.describe());
    }

    @Test
    void tableOfPartitionsIsRecognised() {
        assertEquals(
                "gpt partition table abc",
                Signature.parse("DEVNAME=/dev/sda\nPTUUID=abc\nPTTYPE=gpt\n")
                        .orElseThrow()
                        .describe());
    }

    /** What a partition is called in its table says nothing about what is in it. */
    @Test
    void emptyPartitionIsEmpty() {
        assertEquals(
                Optional.empty(),
                Signature.parse("DEVNAME=/dev/sda1\nPART_ENTRY_SCHEME=gpt\nPART_ENTRY_NUMBER=1\n"));
    }

    @Test
    void lineOfAnotherFormIsAnError() {
        assertFails(ErrorCode.SR_GENERAL, () -> Signature.parse("TYPE=ext4\nnonsense\n"));
        assertFails(ErrorCode.SR_GENERAL, () -> Signature.parse("=ext4\n"));
    }

    @Test
    void numbersOfDevicesAreReadAsTheLibraryWritesThem() {
        assertEquals("7:3", HostDevice.number(0x703));
        assertEquals("4660:74565", HostDevice.number(0x100012323445L));
    }
}
