// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static dev.varve.vdi.vhd.Findings.DAMAGED;
import static dev.varve.vdi.vhd.Findings.UNUSUAL;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Checks the header of a dynamic or differencing image, without what its locators name. */
final class HeaderCheck {
    static final String WHERE = "the header";

    private final Findings findings;
    private final VhdFooter footer;
    private final long volumeBytes;

    HeaderCheck(Findings findings, VhdFooter footer, long volumeBytes) {
        this.findings = findings;
        this.footer = footer;
        this.volumeBytes = volumeBytes;
    }

    /** Whether a header can be where the footer puts it. */
    boolean checkPlace() {
        long at = footer.dataOffset();
        return findings.require(
                at >= VhdFooter.BYTES && at % 512 == 0 && at <= volumeBytes - VhdHeader.BYTES,
                "the footer",
                "puts the header at the impossible offset " + Long.toUnsignedString(at),
                DAMAGED);
    }

    /**
     * Checks the header.
     *
     * @return whether it can be used at all
     */
    boolean check(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        int stored = in.getInt(VhdHeader.OFFSET_CHECKSUM);
        int computed = VhdChecksum.of(bytes, 0, VhdHeader.BYTES, VhdHeader.OFFSET_CHECKSUM);
        boolean good =
                findings.require(
                                in.getLong(0) == VhdHeader.COOKIE,
                                WHERE,
                                "does not begin with 'cxsparse'",
                                DAMAGED)
                        && findings.require(
                                stored == computed,
                                WHERE,
                                "has checksum %08x where its bytes give %08x"
                                        .formatted(stored, computed),
                                DAMAGED)
                        && checkVersion(in)
                        && checkBlocks(in)
                        && checkTable(in);
        if (good) {
            checkUnusual(bytes, in);
            checkParent(bytes, in);
        }
        return good;
    }

    private boolean checkVersion(ByteBuffer in) {
        int version = in.getInt(VhdHeader.OFFSET_VERSION);
        return findings.require(
                version == VhdHeader.VERSION,
                WHERE,
                "is of the unknown version %08x".formatted(version),
                DAMAGED);
    }

    private boolean checkBlocks(ByteBuffer in) {
        int block = in.getInt(VhdHeader.OFFSET_BLOCK);
        return findings.require(
                Integer.bitCount(block) == 1
                        && block >= VhdHeader.SMALLEST_BLOCK
                        && block <= VhdHeader.LARGEST_BLOCK,
                WHERE,
                "has blocks of %s bytes; allowed are powers of two from %d to %d"
                        .formatted(
                                Integer.toUnsignedString(block),
                                VhdHeader.SMALLEST_BLOCK,
                                VhdHeader.LARGEST_BLOCK),
                DAMAGED);
    }

    private boolean checkTable(ByteBuffer in) {
        long entries = in.getInt(VhdHeader.OFFSET_ENTRIES);
        long table = in.getLong(VhdHeader.OFFSET_TABLE);
        long tableBytes = (entries * 4 + 511) / 512 * 512;
        long capacity = entries * in.getInt(VhdHeader.OFFSET_BLOCK);
        boolean good =
                findings.require(
                        entries > 0 && capacity >= footer.currentSize(),
                        WHERE,
                        "has a table for %d bytes, less than the disk of %d bytes"
                                .formatted(capacity, footer.currentSize()),
                        DAMAGED);
        good &=
                findings.require(
                        table >= VhdFooter.BYTES && table % 512 == 0,
                        WHERE,
                        "puts the table at the impossible offset " + Long.toUnsignedString(table),
                        DAMAGED);
        return good
                && findings.require(
                        table <= volumeBytes - tableBytes,
                        WHERE,
                        "has a table that goes past the end of the volume",
                        DAMAGED)
                && findings.require(
                        table >= footer.dataOffset() + VhdHeader.BYTES
                                || table + tableBytes <= footer.dataOffset(),
                        WHERE,
                        "lies inside its own table",
                        DAMAGED);
    }

    private void checkUnusual(byte[] bytes, ByteBuffer in) {
        findings.require(
                in.getLong(VhdHeader.OFFSET_DATA) == -1,
                WHERE,
                "names another structure at " + in.getLong(VhdHeader.OFFSET_DATA),
                UNUSUAL);
        findings.require(
                VhdHeader.isReservedZero(bytes),
                WHERE,
                "has reserved bytes that are not zero",
                UNUSUAL);
    }

    private void checkParent(byte[] bytes, ByteBuffer in) {
        if (footer.type() == VhdFooter.Type.DIFFERENCING) {
            return;
        }
        String advice = "an image without parent has none of it; " + UNUSUAL;
        boolean uuid = isZero(bytes, VhdHeader.OFFSET_PARENT, 16);
        findings.require(uuid, WHERE, "has the UUID of a parent", advice);
        findings.require(
                in.getInt(VhdHeader.OFFSET_PARENT_TIME) == 0,
                WHERE,
                "has the modification time of a parent",
                advice);
        findings.require(
                isZero(bytes, VhdHeader.OFFSET_PARENT_NAME, VhdHeader.PARENT_NAME_BYTES),
                WHERE,
                "has the name of a parent",
                advice);
        findings.require(
                isZero(bytes, VhdHeader.OFFSET_LOCATORS, VhdHeader.LOCATORS * ParentLocator.BYTES),
                WHERE,
                "has locators of a parent",
                advice);
    }

    static boolean isZero(byte[] bytes, int from, int length) {
        return Arrays.equals(bytes, from, from + length, new byte[length], 0, length);
    }
}
