// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/**
 * By what a LUN is known, from the pages of vital product data that the kernel keeps of it.
 *
 * <p>Device identification page, SPC-4, 7.8.6, as far as it is read:
 *
 * <table>
 * <caption>Page 0x83</caption>
 * <tr><th>byte</th><th>content</th></tr>
 * <tr><td>1</td><td>0x83</td></tr>
 * <tr><td>2, 3</td><td>length of the descriptors, big-endian</td></tr>
 * <tr><td>4 ...</td><td>descriptors:</td></tr>
 * <tr><td>+0</td><td>bits 3..0: code set, 1 binary, 2 ASCII, 3 UTF-8</td></tr>
 * <tr><td>+1</td><td>bits 5..4: association, 0 for the LUN; bits 3..0: type, 0 vendor, 1 T10, 2
 * EUI-64, 3 NAA</td></tr>
 * <tr><td>+3</td><td>length of what follows</td></tr>
 * <tr><td>+4</td><td>the designator; of NAA, bits 7..4 of its first byte are the format</td></tr>
 * </table>
 *
 * <p>Of the descriptors of the LUN the best one is taken, in the order of {@code scsi_id}: NAA
 * registered extended (6), NAA registered (5), any NAA, EUI-64, T10, vendor; binary before text.
 * The SCSIid is the digit of its type and its value, binary as hexadecimal digits. A vendor's value
 * and a serial number (page 0x80, after an {@code S}) are only unique together with vendor and
 * model, which stand before them. Runs of blanks become one underscore, as in the names of links.
 *
 * @param scsiId empty when the LUN has no name that lasts
 * @param serial of the unit; empty when it does not tell
 */
record ScsiIdentity(String scsiId, String serial) {
    private static final int VENDOR_BYTES = 8;
    private static final int MODEL_BYTES = 16;
    private static final int HEADER_BYTES = 4;
    private static final int SERIAL_PAGE = 0x80;
    private static final int IDENTIFICATION_PAGE = 0x83;
    private static final int BINARY = 1;
    private static final int TYPE_VENDOR = 0;
    private static final int TYPE_T10 = 1;
    private static final int TYPE_EUI64 = 2;
    private static final int TYPE_NAA = 3;

    /** More than any name that anybody uses; longer ones do not fit into names of files. */
    private static final int MOST_BYTES = 100;

    /** That of a SCSI device, from its directory in sysfs. */
    static ScsiIdentity of(Sysfs device) {
        String serial =
                device.binary("vpd_pg80").flatMap(page -> body(page, SERIAL_PAGE))
                        .map(ScsiIdentity::text)
                        .orElse("");
        String product =
                padded(device.textOrEmpty("vendor"), VENDOR_BYTES)
                        + padded(device.textOrEmpty("model"), MODEL_BYTES);
        Optional<String> named =
                device.binary("vpd_pg83")
                        .flatMap(page -> body(page, IDENTIFICATION_PAGE))
                        .flatMap(body -> best(body, product));
        String name =
                named.or(() -> fromWwid(device.textOrEmpty("wwid")))
                        .orElse(serial.isEmpty() ? "" : "S" + product + serial);
        return new ScsiIdentity(name.strip().replaceAll("\\s+", "_"), serial);
    }

    private static String padded(String text, int length) {
        String cut = text.length() > length ? text.substring(0, length) : text;
        return cut + " ".repeat(length - cut.length());
    }

    /** What follows the header of a page, if it is the right one and not longer than it says. */
    private static Optional<byte[]> body(byte[] page, int code) {
        if (page.length <= HEADER_BYTES || (page[1] & 0xFF) != code) {
            return Optional.empty();
        }
        int length = (page[2] & 0xFF) << 8 | page[3] & 0xFF;
        int end = Math.min(page.length, HEADER_BYTES + length);
        return Optional.of(Arrays.copyOfRange(page, HEADER_BYTES, end));
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1)
                .replaceAll("[^\\x20-\\x7E]", " ")
                .strip();
    }

    // ---- descriptors

    private static Optional<String> best(byte[] body, String product) {
        int bestRank = Integer.MAX_VALUE;
        String best = null;
        for (int at = 0; at + HEADER_BYTES <= body.length; ) {
            int length = body[at + 3] & 0xFF;
            int start = at + HEADER_BYTES;
            int rank = rank(body, at, length);
            if (start + length > body.length) {
                break;
            }
            if (rank < bestRank) {
                bestRank = rank;
                best = name(body, at, length, product);
            }
            at = start + length;
        }
        return Optional.ofNullable(best);
    }

    /** The lower the better; what is none of the LUN, or empty, never wins. */
    private static int rank(byte[] body, int at, int length) {
        boolean ofLun = (body[at + 1] & 0x30) == 0;
        boolean fits = length > 0 && length <= MOST_BYTES && at + HEADER_BYTES < body.length;
        if (!ofLun || !fits) {
            return Integer.MAX_VALUE;
        }
        int text = (body[at] & 0x0F) == BINARY ? 0 : 1;
        return switch (body[at + 1] & 0x0F) {
            case TYPE_NAA -> naaRank(body, at) + text;
            case TYPE_EUI64 -> 6 + text;
            case TYPE_T10 -> 8 + text;
            case TYPE_VENDOR -> 10 + text;
            default -> Integer.MAX_VALUE;
        };
    }

    private static int naaRank(byte[] body, int at) {
        return switch (body[at + HEADER_BYTES] >> 4 & 0x0F) {
            case 6 -> 0;
            case 5 -> 2;
            default -> 4;
        };
    }

    private static String name(byte[] body, int at, int length, String product) {
        int type = body[at + 1] & 0x0F;
        int start = at + HEADER_BYTES;
        byte[] value = Arrays.copyOfRange(body, start, start + length);
        String text =
                (body[at] & 0x0F) == BINARY ? HexFormat.of().formatHex(value) : text(value);
        return type + (type == TYPE_VENDOR ? product : "") + text;
    }

    /** The kernel's own digest of the same page, for kernels that do not give the page. */
    private static Optional<String> fromWwid(String wwid) {
        if (wwid.startsWith("naa.")) {
            return Optional.of(TYPE_NAA + wwid.substring("naa.".length()));
        }
        if (wwid.startsWith("eui.")) {
            return Optional.of(TYPE_EUI64 + wwid.substring("eui.".length()));
        }
        return wwid.startsWith("t10.")
                ? Optional.of(TYPE_T10 + wwid.substring("t10.".length()))
                : Optional.empty();
    }
}
