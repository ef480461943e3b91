// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.tls;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;

/** Elements of ASN.1 in the distinguished encoding (X.690): tag, length, content. */
final class Der {
    static final int SEQUENCE = 0x30;
    static final int SET = 0x31;
    static final int OCTETS = 0x04;
    static final int BOOLEAN = 0x01;

    /** Context-specific tags by number, around other elements or in place of them. */
    static final int EXPLICIT = 0xa0;

    static final int IMPLICIT = 0x80;

    private static final int INTEGER = 0x02;
    private static final int BITS = 0x03;
    private static final int OBJECT_ID = 0x06;
    private static final int UTF8 = 0x0c;
    private static final int TIME = 0x18;
    private static final DateTimeFormatter TIME_TEXT =
            DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);

    private Der() {}

    static byte[] element(int tag, byte[]... contents) {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        for (byte[] part : contents) {
            content.writeBytes(part);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        length(out, content.size());
        out.writeBytes(content.toByteArray());
        return out.toByteArray();
    }

    private static void length(ByteArrayOutputStream out, int length) {
        if (length < 0x80) {
            out.write(length);
            return;
        }
        byte[] bytes = BigInteger.valueOf(length).toByteArray();
        int skipped = bytes[0] == 0 ? 1 : 0;
        out.write(0x80 | (bytes.length - skipped));
        out.write(bytes, skipped, bytes.length - skipped);
    }

    static byte[] integer(BigInteger value) {
        return element(INTEGER, value.toByteArray());
    }

    static byte[] text(String value) {
        return element(UTF8, value.getBytes(StandardCharsets.UTF_8));
    }

    static byte[] bits(byte[] value) {
        return element(BITS, new byte[] {0}, value);
    }

    static byte[] time(Instant value) {
        return element(TIME, TIME_TEXT.format(value).getBytes(StandardCharsets.US_ASCII));
    }

    static byte[] truth(boolean value) {
        return element(BOOLEAN, new byte[] {(byte) (value ? 0xff : 0)});
    }

    /** An object identifier by its arcs; the first two go into one byte. */
    static byte[] objectId(List<Integer> arcs) {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        content.write(arcs.get(0) * 40 + arcs.get(1));
        for (int arc : arcs.subList(2, arcs.size())) {
            for (int shift = 28; shift > 0; shift -= 7) {
                if (arc >> shift != 0) {
                    content.write(0x80 | (arc >> shift & 0x7f));
                }
            }
            content.write(arc & 0x7f);
        }
        return element(OBJECT_ID, content.toByteArray());
    }
}
