// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import dev.varve.sr.scsi.Designator;
import dev.varve.sr.scsi.InquiryData;
import dev.varve.sr.scsi.ScsiDataException;
import dev.varve.sr.scsi.ScsiId;
import dev.varve.sr.scsi.VitalPages;

import java.util.List;
import java.util.Optional;

/**
 * By what a LUN is known, from the pages of vital product data that the kernel keeps of it: see
 * {@link ScsiId} for the rules. Where the kernel does not give page 83, its own digest of it
 * serves, {@code wwid}. Runs of blanks become one underscore, as in the names of links.
 *
 * @param scsiId empty when the LUN has no name that lasts
 * @param serial of the unit; empty when it does not tell
 */
record ScsiIdentity(String scsiId, String serial) {
    private static final int VENDOR_BYTES = 8;
    private static final int PRODUCT_BYTES = 16;

    /** In the order of the digits that stand for them. */
    private static final List<String> DIGESTS = List.of("t10.", "eui.", "naa.");

    /** How a page is read. */
    private interface Parser<T> {
        T parse(byte[] page) throws ScsiDataException;
    }

    /** That of a SCSI device, from its directory in sysfs. */
    static ScsiIdentity of(Sysfs device) {
        String serial =
                parse(device, "vpd_pg80", VitalPages::serial)
                        .map(text -> text.replaceAll("[^ -~]", " ").strip())
                        .orElse("");
        List<Designator> designators =
                parse(device, "vpd_pg83", Designator::parse).orElse(List.of());
        InquiryData inquiry = inquiry(device);
        String name =
                ScsiId.of(inquiry, designators, "")
                        .or(() -> ofDigest(device.textOrEmpty("wwid")))
                        .or(() -> ScsiId.of(inquiry, List.of(), serial))
                        .orElse("");
        return new ScsiIdentity(name.strip().replaceAll("\\s+", "_"), serial);
    }

    /** A page that is not what it should be is as good as none. */
    private static <T> Optional<T> parse(Sysfs device, String attribute, Parser<T> parser) {
        Optional<byte[]> page = device.binary(attribute);
        try {
            return page.isEmpty() ? Optional.empty() : Optional.of(parser.parse(page.get()));
        } catch (ScsiDataException e) {
            return Optional.empty();
        }
    }

    private static InquiryData inquiry(Sysfs device) {
        return new InquiryData(
                0,
                0,
                padded(device.textOrEmpty("vendor"), VENDOR_BYTES),
                padded(device.textOrEmpty("model"), PRODUCT_BYTES),
                device.textOrEmpty("rev"));
    }

    private static String padded(String text, int length) {
        String cut = text.length() > length ? text.substring(0, length) : text;
        return cut + " ".repeat(length - cut.length());
    }

    private static Optional<String> ofDigest(String wwid) {
        for (int i = 0; i < DIGESTS.size(); i++) {
            String prefix = DIGESTS.get(i);
            if (wwid.startsWith(prefix)) {
                return Optional.of((i + 1) + wwid.substring(prefix.length()));
            }
        }
        return Optional.empty();
    }
}
