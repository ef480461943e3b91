// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * The name by which a disk is known on all its paths and hosts, as the program {@code scsi_id -g}
 * of udev makes it: the type of the designator as a digit, then the designator, in hexadecimal
 * digits when it is binary.
 *
 * <table>
 * <caption>Designators of the unit, the first that is there counts; binary before ASCII</caption>
 * <tr><th>begins with</th><th>designator</th></tr>
 * <tr><td>3</td><td>NAA 6 (IEEE registered extended), 5 (registered), 2 (extended), 3 (local)</td></tr>
 * <tr><td>2</td><td>EUI-64</td></tr>
 * <tr><td>1</td><td>T10 vendor identification</td></tr>
 * <tr><td>0</td><td>of the vendor, with vendor and product before it</td></tr>
 * <tr><td>S</td><td>none of these: vendor, product and serial number of page 80</td></tr>
 * </table>
 */
public final class ScsiId {
    private static final int[] NAA_KINDS = {6, 5, 2, 3};
    private static final int[] OTHER_TYPES = {
        Designator.EUI64, Designator.T10, Designator.VENDOR_SPECIFIC
    };

    private ScsiId() {}

    /**
     * The name, where the device has one.
     *
     * @param designators those of page 83, or none
     * @param serial that of page 80, or empty
     */
    public static Optional<String> of(
            InquiryData inquiry, List<Designator> designators, String serial) {
        for (int kind : NAA_KINDS) {
            Optional<Designator> found = find(designators, Designator.NAA, kind);
            if (found.isPresent()) {
                return Optional.of(text(found.get(), inquiry));
            }
        }
        for (int type : OTHER_TYPES) {
            Optional<Designator> found = find(designators, type, -1);
            if (found.isPresent()) {
                return Optional.of(text(found.get(), inquiry));
            }
        }
        return serial.isEmpty()
                ? Optional.empty()
                : Optional.of("S" + inquiry.vendorField() + inquiry.productField() + serial);
    }

    private static Optional<Designator> find(List<Designator> all, int type, int naaKind) {
        for (int codeSet : new int[] {Designator.BINARY, Designator.ASCII}) {
            for (Designator each : all) {
                boolean fits = each.isOfUnit() && each.type() == type && each.codeSet() == codeSet;
                if (fits && each.naaKind() == naaKind) {
                    return Optional.of(each);
                }
            }
        }
        return Optional.empty();
    }

    private static String text(Designator designator, InquiryData inquiry) {
        String name =
                designator.codeSet() == Designator.BINARY
                        ? HexFormat.of().formatHex(designator.name())
                        : printable(designator.name());
        String before =
                designator.type() == Designator.VENDOR_SPECIFIC
                        ? inquiry.vendorField() + inquiry.productField()
                        : "";
        return designator.type() + before + name;
    }

    private static String printable(byte[] name) {
        String text = new String(name, StandardCharsets.ISO_8859_1);
        int end = text.indexOf('\0');
        return (end < 0 ? text : text.substring(0, end)).replaceAll("[^ -~]", "_");
    }
}
