// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import java.util.zip.CRC32C;

/** What the structures of the area have in common: checksums, UUIDs, text. */
final class Wire {
    /** What is written in one piece on any device. */
    static final int SECTOR = 512;

    private Wire() {}

    /** A new sector with its magic, eight letters of ASCII. */
    static ByteBuffer sector(String magic) {
        return ByteBuffer.allocate(SECTOR).put(magic.getBytes(StandardCharsets.US_ASCII));
    }

    static boolean hasMagic(ByteBuffer buffer, String magic) {
        byte[] found = new byte[magic.length()];
        buffer.get(0, found);
        return Arrays.equals(found, magic.getBytes(StandardCharsets.US_ASCII));
    }

    static int checksum(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    /** Puts the checksum of all bytes where it belongs; that place counts as zero. */
    static byte[] sealed(ByteBuffer buffer, int place) {
        byte[] bytes = new byte[buffer.capacity()];
        buffer.putInt(place, 0).get(0, bytes);
        ByteBuffer.wrap(bytes).putInt(place, checksum(bytes));
        return bytes;
    }

    /** Whether the checksum is that of all bytes. */
    static boolean isSealed(byte[] bytes, int place) {
        ByteBuffer copy = ByteBuffer.wrap(bytes.clone());
        int stored = copy.getInt(place);
        copy.putInt(place, 0);
        return stored == checksum(copy.array());
    }

    static void putUuid(ByteBuffer buffer, int place, UUID uuid) {
        buffer.putLong(place, uuid.getMostSignificantBits());
        buffer.putLong(place + Long.BYTES, uuid.getLeastSignificantBits());
    }

    static UUID uuid(ByteBuffer buffer, int place) {
        return new UUID(buffer.getLong(place), buffer.getLong(place + Long.BYTES));
    }

    /** Puts text as UTF-8, filled up with zeros. */
    static void putText(ByteBuffer buffer, int place, int most, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > most) {
            throw new IllegalArgumentException(text + " has more than " + most + " bytes");
        }
        buffer.put(place, bytes);
    }

    static String text(ByteBuffer buffer, int place, int most) {
        int length = 0;
        while (length < most && buffer.get(place + length) != 0) {
            length++;
        }
        byte[] bytes = new byte[length];
        buffer.get(place, bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static boolean isZero(byte[] bytes) {
        for (byte each : bytes) {
            if (each != 0) {
                return false;
            }
        }
        return true;
    }
}
