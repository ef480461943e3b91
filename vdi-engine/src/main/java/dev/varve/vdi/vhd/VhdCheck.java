// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static dev.varve.vdi.vhd.Findings.DAMAGED;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFinding.Weight;

import java.util.Arrays;
import java.util.List;

/**
 * Checks one image, much more strictly than opening it does, as other programs may: everything that
 * the specification and the reference stack's checker demand. Nothing is changed.
 *
 * <p>An image that is being written looks like one that was not closed.
 *
 * <p><b>Threads:</b> any; calls block.
 */
public final class VhdCheck {
    static final String START = "the footer at the start";
    static final String END = "the footer at the end";
    static final String REPAIR =
            "attaching the disk, or `varve vhd repair`, puts it in order; while the disk is"
                    + " attached this is as it should be";

    private final Clock clock;

    /**
     * What was found.
     *
     * @param findings in the order of the checks
     */
    public record Result(List<VhdFinding> findings) {
        /** Copies the list. */
        public Result {
            findings = List.copyOf(findings);
        }

        /** What it comes to. */
        public VhdVerdict verdict() {
            Weight worst =
                    findings.stream()
                            .map(VhdFinding::weight)
                            .max(Weight::compareTo)
                            .orElse(Weight.NOTE);
            return switch (worst) {
                case NOTE -> VhdVerdict.VALID;
                case UNCLEAN -> VhdVerdict.UNCLEAN;
                case INVALID -> VhdVerdict.INVALID;
            };
        }
    }

    /**
     * @param clock tells which times of creation are in the future
     */
    public VhdCheck(Clock clock) {
        this.clock = clock;
    }

    /**
     * Checks an image, without those that it rests on.
     *
     * @throws StorageException when the volume cannot be read
     */
    public Result check(BlockAccess access) {
        Findings findings = new Findings();
        check(access, findings);
        return new Result(findings.list());
    }

    private void check(BlockAccess access, Findings findings) {
        long size = access.sizeBytes() / VhdFooter.BYTES * VhdFooter.BYTES;
        if (!findings.require(
                size >= VhdFooter.BYTES,
                "the volume",
                "is only " + access.sizeBytes() + " bytes long",
                DAMAGED)) {
            return;
        }
        byte[] first = access.read(0, VhdFooter.BYTES);
        byte[] last = access.read(size - VhdFooter.BYTES, VhdFooter.BYTES);
        if (checkFooters(first, last, size, findings)) {
            checkRest(access, size, findings);
        }
    }

    private void checkRest(BlockAccess access, long size, Findings findings) {
        if (checkHeader(access, size, findings)) {
            VhdImage image = read(access, findings);
            if (image != null && image.header() != null) {
                new TableCheck(findings, access, image).check();
            }
        }
    }

    // ---- footers

    /** Checks the footers, one of which has to be good for the rest. */
    private boolean checkFooters(byte[] first, byte[] last, long size, Findings findings) {
        FooterCheck check = new FooterCheck(findings, clock.epochMillis() / 1000);
        boolean atEnd = VhdFooter.isFooter(last);
        boolean atStart = VhdFooter.isFooter(first);
        if (atEnd && (VhdImage.isFixedOf(last, size) || (!atStart && isFixed(last)))) {
            return check.check(last, END);
        }
        if (check.check(first, START)) {
            compare(first, last, findings);
            return true;
        }
        return check.check(last, END);
    }

    private static boolean isFixed(byte[] sector) {
        int at = VhdFooter.OFFSET_TYPE + 3;
        return sector[at] == VhdFooter.Type.FIXED.code();
    }

    private static void compare(byte[] first, byte[] last, Findings findings) {
        if (!VhdFooter.isFooter(last)) {
            findings.add(Weight.UNCLEAN, END, "is missing: the image was not closed", REPAIR);
        } else if (!Arrays.equals(first, last)) {
            findings.add(
                    Weight.UNCLEAN,
                    END,
                    "is not the same as the one at the start, which counts",
                    REPAIR);
        }
    }

    // ---- header, names, batmap

    private static boolean checkHeader(BlockAccess access, long size, Findings findings) {
        VhdFooter footer = footer(access, size);
        if (footer.type() == VhdFooter.Type.FIXED) {
            return findings.require(
                    footer.currentSize() <= size - VhdFooter.BYTES,
                    "the volume",
                    "ends after %d bytes, before the fixed disk of %d bytes does"
                            .formatted(size, footer.currentSize()),
                    DAMAGED);
        }
        HeaderCheck check = new HeaderCheck(findings, footer, size);
        if (!check.checkPlace()) {
            return false;
        }
        byte[] bytes = access.read(footer.dataOffset(), VhdHeader.BYTES);
        if (!check.check(bytes)) {
            return false;
        }
        if (footer.type() == VhdFooter.Type.DIFFERENCING) {
            new LocatorCheck(findings, access, size, bytes).check();
        }
        if (footer.mayHaveBatmap()) {
            byte[] last = access.read(size - VhdFooter.BYTES, VhdFooter.BYTES);
            boolean closed = Arrays.equals(access.read(0, VhdFooter.BYTES), last);
            new BatmapCheck(findings, access, footer, VhdHeader.parse(bytes), size).check(closed);
        }
        return true;
    }

    /** The footer to go by, of which at least one was found good. */
    private static VhdFooter footer(BlockAccess access, long size) {
        byte[] first = access.read(0, VhdFooter.BYTES);
        byte[] last = access.read(size - VhdFooter.BYTES, VhdFooter.BYTES);
        return VhdImage.footer(first, last, size);
    }

    /** Whatever is not allowed here and was not found by one of the checks. */
    private static VhdImage read(BlockAccess access, Findings findings) {
        try {
            return VhdImage.read(access);
        } catch (StorageException e) {
            if (!findings.isInvalid()) {
                findings.require(false, "the image", "is refused: " + e.sentence(), DAMAGED);
            }
            return null;
        }
    }
}
