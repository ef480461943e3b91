// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static dev.varve.vdi.vhd.Findings.DAMAGED;
import static dev.varve.vdi.vhd.Findings.UNUSUAL;

import java.nio.ByteBuffer;
import java.time.Instant;

/** Checks a footer, as strictly as the reference stack's checker does. */
final class FooterCheck {
    /** Clocks differ, and some programs write local time. */
    private static final long SLACK_SECONDS = 24 * 60 * 60;

    private static final int TEMPORARY = 1;

    private final Findings findings;
    private final long nowSeconds;

    /**
     * @param nowSeconds since 1970
     */
    FooterCheck(Findings findings, long nowSeconds) {
        this.findings = findings;
        this.nowSeconds = nowSeconds;
    }

    /**
     * Checks one footer.
     *
     * @return whether it can be used at all
     */
    boolean check(byte[] sector, String where) {
        ByteBuffer in = ByteBuffer.wrap(sector);
        int stored = in.getInt(VhdFooter.OFFSET_CHECKSUM);
        int computed = VhdChecksum.of(sector, 0, VhdFooter.BYTES, VhdFooter.OFFSET_CHECKSUM);
        return findings.require(
                        VhdFooter.isFooter(sector),
                        where,
                        "does not begin with 'conectix'",
                        DAMAGED)
                && findings.require(
                        stored == computed,
                        where,
                        "has checksum %08x where its bytes give %08x".formatted(stored, computed),
                        DAMAGED)
                && checkKind(in, where)
                && checkFlags(sector, in, where)
                && checkOrigin(in, where);
    }

    private boolean checkKind(ByteBuffer in, String where) {
        int version = in.getInt(VhdFooter.OFFSET_VERSION);
        int type = in.getInt(VhdFooter.OFFSET_TYPE);
        long size = in.getLong(VhdFooter.OFFSET_CURRENT_SIZE);
        boolean good =
                findings.require(
                        version == VhdFooter.VERSION,
                        where,
                        "is of the unknown version %08x".formatted(version),
                        DAMAGED);
        good &=
                findings.require(
                        type >= 2 && type <= 4,
                        where,
                        "is of the unknown disk type " + type,
                        DAMAGED);
        good &=
                findings.require(
                        size > 0 && size % 512 == 0 && size <= VhdImage.MAXIMUM_BYTES,
                        where,
                        "gives a disk of %s bytes; allowed are multiples of 512 up to %d"
                                .formatted(Long.toUnsignedString(size), VhdImage.MAXIMUM_BYTES),
                        DAMAGED);
        return good;
    }

    private boolean checkFlags(byte[] sector, ByteBuffer in, String where) {
        int features = in.getInt(VhdFooter.OFFSET_FEATURES);
        findings.require(
                (features & ~TEMPORARY) == VhdFooter.FEATURES,
                where,
                "has the features %08x; known are 2 and, for a temporary disk, 3"
                        .formatted(features),
                UNUSUAL);
        long header = in.getLong(VhdFooter.OFFSET_DATA);
        findings.require(
                in.getInt(VhdFooter.OFFSET_TYPE) != VhdFooter.Type.FIXED.code()
                        || header == VhdFooter.NO_HEADER,
                where,
                "is that of a fixed disk and puts a header at " + Long.toUnsignedString(header),
                UNUSUAL);
        findings.require(
                VhdFooter.isReservedZero(sector),
                where,
                "has reserved bytes that are not zero",
                UNUSUAL);
        boolean flags = checkFlag(sector[VhdFooter.OFFSET_SAVED], where, "saved state");
        flags &= checkFlag(sector[VhdFooter.OFFSET_HIDDEN], where, "hidden mark");
        return flags && (features & VhdFooter.FEATURES) != 0;
    }

    private boolean checkFlag(byte value, String where, String name) {
        return findings.require(
                value == 0 || value == 1,
                where,
                "has the %s %d; allowed are 0 and 1".formatted(name, value & 0xFF),
                DAMAGED);
    }

    private boolean checkOrigin(ByteBuffer in, String where) {
        long created =
                VhdFooter.EPOCH_SECONDS
                        + Integer.toUnsignedLong(in.getInt(VhdFooter.OFFSET_TIMESTAMP));
        findings.require(
                created <= nowSeconds + SLACK_SECONDS,
                where,
                "says that the image was made in the future, at " + Instant.ofEpochSecond(created),
                "compare the clocks of this host and of the one that made it");
        int version = in.getInt(VhdFooter.OFFSET_CREATOR_VERSION);
        findings.require(
                in.getInt(VhdFooter.OFFSET_CREATOR) != VhdFooter.CREATOR_TAP
                        || Integer.compareUnsigned(version, VhdFooter.CREATOR_TAP_VERSION) <= 0,
                where,
                "was written by version %d.%d of 'tap'; known are those up to 1.3"
                        .formatted(version >>> 16, version & 0xFFFF),
                "use a newer version of this program");
        int geometry = in.getInt(VhdFooter.OFFSET_GEOMETRY);
        int most = VhdGeometry.of(in.getLong(VhdFooter.OFFSET_CURRENT_SIZE));
        findings.require(
                VhdGeometry.sectors(geometry) <= VhdGeometry.sectors(most),
                where,
                "has the geometry %s, larger than %s, which the size gives"
                        .formatted(VhdGeometry.text(geometry), VhdGeometry.text(most)),
                UNUSUAL);
        findings.require(
                in.getLong(VhdFooter.OFFSET_UUID) != 0
                        || in.getLong(VhdFooter.OFFSET_UUID + 8) != 0,
                where,
                "has no UUID",
                UNUSUAL);
        return true;
    }
}
