// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static dev.varve.vdi.vhd.Findings.DAMAGED;
import static dev.varve.vdi.vhd.Findings.UNUSUAL;

import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.vhd.VhdFinding.Weight;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.TreeSet;

/** Checks what a differencing image says about the name of its parent. */
final class LocatorCheck {
    private static final String NAME = "the name of the parent in the header";

    private final Findings findings;
    private final BlockAccess access;
    private final long volumeBytes;
    private final byte[] header;

    /** In order, so that the message is always the same. */
    private final Set<String> names = new TreeSet<>();

    LocatorCheck(Findings findings, BlockAccess access, long volumeBytes, byte[] header) {
        this.findings = findings;
        this.access = access;
        this.volumeBytes = volumeBytes;
        this.header = header;
    }

    void check() {
        ByteBuffer in = ByteBuffer.wrap(header);
        checkHeaderName();
        for (int i = 0; i < VhdHeader.LOCATORS; i++) {
            int at = VhdHeader.OFFSET_LOCATORS + i * ParentLocator.BYTES;
            checkLocator(ParentLocator.parse(in, at), at, "parent locator " + i);
        }
        findings.require(
                !names.isEmpty(), HeaderCheck.WHERE, "names no file as the parent", DAMAGED);
        findings.require(
                names.size() <= 1,
                HeaderCheck.WHERE,
                "and its locators name different files as the parent: " + names,
                "programs disagree on which they take; set the parent anew");
    }

    private void checkHeaderName() {
        int end = VhdHeader.OFFSET_PARENT_NAME;
        int limit = end + VhdHeader.PARENT_NAME_BYTES;
        while (end < limit && (header[end] | header[end + 1]) != 0) {
            end += 2;
        }
        try {
            ByteBuffer bytes =
                    ByteBuffer.wrap(
                            header,
                            VhdHeader.OFFSET_PARENT_NAME,
                            end - VhdHeader.OFFSET_PARENT_NAME);
            add(StandardCharsets.UTF_16BE.newDecoder().decode(bytes).toString());
        } catch (CharacterCodingException e) {
            findings.require(false, NAME, "is not UTF-16", DAMAGED);
        }
    }

    private void add(String path) {
        String name = ParentLocator.fileName(path);
        if (!name.isEmpty()) {
            names.add(name);
        }
    }

    private void checkLocator(ParentLocator locator, int at, String where) {
        if (locator.code() == ParentLocator.NONE) {
            if (!HeaderCheck.isZero(header, at, ParentLocator.BYTES)) {
                findings.add(
                        Weight.NOTE,
                        where,
                        "is not in use and not empty",
                        "nothing has to be done");
            }
            return;
        }
        boolean known =
                findings.require(
                        locator.isKnown() || locator.isOld(),
                        where,
                        "has the unknown code %08x".formatted(locator.code()),
                        UNUSUAL);
        findings.require(
                HeaderCheck.isZero(header, at + ParentLocator.OFFSET_RESERVED, 4),
                where,
                "has reserved bytes that are not zero",
                UNUSUAL);
        if (checkRoom(locator, where) && known && locator.isKnown()) {
            checkName(locator, where);
        }
    }

    private boolean checkRoom(ParentLocator locator, String where) {
        long length = Integer.toUnsignedLong(locator.length());
        return findings.require(
                        length > 0 && length <= locator.spaceBytes(),
                        where,
                        "has a name of %d bytes in room for %d"
                                .formatted(length, locator.spaceBytes()),
                        DAMAGED)
                && findings.require(
                        locator.offset() >= VhdFooter.BYTES
                                && locator.offset() <= volumeBytes - locator.spaceBytes(),
                        where,
                        "puts its name at %s, outside the volume of %d bytes"
                                .formatted(Long.toUnsignedString(locator.offset()), volumeBytes),
                        DAMAGED);
    }

    private void checkName(ParentLocator locator, String where) {
        byte[] bytes = VhdImage.readName(access, locator, volumeBytes);
        String path = bytes == null ? null : locator.decodeStrictly(bytes);
        if (findings.require(path != null, where, "has a name that is no text", DAMAGED)
                && findings.require(
                        !ParentLocator.fileName(path).isEmpty(),
                        where,
                        "names no file: '" + path + "'",
                        DAMAGED)) {
            add(path);
        }
    }
}
