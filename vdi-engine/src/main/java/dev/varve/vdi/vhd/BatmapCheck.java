// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static dev.varve.vdi.vhd.Findings.DAMAGED;
import static dev.varve.vdi.vhd.Findings.UNUSUAL;

import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.vhd.VhdFinding.Weight;

import java.nio.ByteBuffer;

/** Checks the batmap of an image whose creator writes one, without comparing it with the blocks. */
final class BatmapCheck {
    static final String WHERE = "the batmap";

    private final Findings findings;
    private final BlockAccess access;
    private final VhdFooter footer;
    private final VhdHeader header;
    private final long volumeBytes;

    BatmapCheck(
            Findings findings,
            BlockAccess access,
            VhdFooter footer,
            VhdHeader header,
            long volumeBytes) {
        this.findings = findings;
        this.access = access;
        this.footer = footer;
        this.header = header;
        this.volumeBytes = volumeBytes;
    }

    /**
     * @param closed whether the footer at the end is there: without it the batmap may be that of
     *     before
     */
    void check(boolean closed) {
        long at = Batmap.headerOffset(header);
        if (!findings.require(
                at <= volumeBytes - Batmap.HEADER_BYTES,
                WHERE,
                "has no room before the end of the volume",
                DAMAGED)) {
            return;
        }
        byte[] sector = access.read(at, Batmap.HEADER_BYTES);
        ByteBuffer in = ByteBuffer.wrap(sector);
        int version = in.getInt(Batmap.OFFSET_VERSION);
        boolean good =
                findings.require(
                                in.getLong(0) == Batmap.COOKIE,
                                WHERE,
                                "does not begin with 'tdbatmap', at offset " + at,
                                DAMAGED)
                        && findings.require(
                                version == Batmap.VERSION || version == Batmap.OLD_VERSION,
                                WHERE,
                                "is of the unknown version %08x".formatted(version),
                                DAMAGED);
        if (good && checkPlace(Batmap.parse(sector), at)) {
            checkBits(Batmap.parse(sector), version, closed);
        }
        findings.require(
                !good || !Batmap.isEncrypted(sector),
                WHERE,
                "says that the data is encrypted",
                "open it with the program that encrypted it");
    }

    private boolean checkPlace(Batmap batmap, long at) {
        int used = Batmap.usedBytes(footer.currentSize(), header.blockBytes());
        long sectors = Integer.toUnsignedLong(batmap.sectors());
        boolean good =
                findings.require(
                        batmap.offset() >= at + Batmap.HEADER_BYTES && batmap.offset() % 512 == 0,
                        WHERE,
                        "puts its bits at the impossible offset "
                                + Long.toUnsignedString(batmap.offset()),
                        UNUSUAL);
        good &=
                findings.require(
                        sectors >= used / 512,
                        WHERE,
                        "has %d sectors of bits, the disk needs %d".formatted(sectors, used / 512),
                        DAMAGED);
        return good
                && findings.require(
                        batmap.offset() <= volumeBytes - 512 * sectors,
                        WHERE,
                        "goes past the end of the volume",
                        DAMAGED);
    }

    private void checkBits(Batmap batmap, int version, boolean closed) {
        int used = Batmap.usedBytes(footer.currentSize(), header.blockBytes());
        byte[] bits = access.read(batmap.offset(), used);
        boolean matches =
                batmap.matches(bits)
                        || (version == Batmap.OLD_VERSION && batmap.matchesSigned(bits));
        if (!matches) {
            findings.add(
                    closed ? Weight.INVALID : Weight.UNCLEAN,
                    WHERE,
                    "has checksum %08x where its bits give %08x"
                            .formatted(batmap.checksum(), VhdChecksum.of(bits)),
                    closed ? DAMAGED : VhdCheck.REPAIR);
        }
    }
}
