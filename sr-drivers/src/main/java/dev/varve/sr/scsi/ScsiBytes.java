// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** What a device has sent, read with care: everything beyond the end is an error. */
final class ScsiBytes {
    private final ByteBuffer bytes;
    private final String what;

    ScsiBytes(byte[] bytes, String what) {
        this.bytes = ByteBuffer.wrap(bytes);
        this.what = what;
    }

    int length() {
        return bytes.limit();
    }

    void require(int length) throws ScsiDataException {
        if (length > bytes.limit() || length < 0) {
            throw new ScsiDataException(
                    "%s has %d bytes, and %d are needed".formatted(what, bytes.limit(), length));
        }
    }

    int byteAt(int at) throws ScsiDataException {
        require(at + 1);
        return bytes.get(at) & 0xFF;
    }

    int shortAt(int at) throws ScsiDataException {
        require(at + 2);
        return bytes.getShort(at) & 0xFFFF;
    }

    long intAt(int at) throws ScsiDataException {
        require(at + 4);
        return bytes.getInt(at) & 0xFFFFFFFFL;
    }

    long longAt(int at) throws ScsiDataException {
        require(at + 8);
        return bytes.getLong(at);
    }

    byte[] slice(int at, int length) throws ScsiDataException {
        require(at + length);
        byte[] part = new byte[length];
        bytes.get(at, part);
        return part;
    }

    /** ASCII as it is, up to a zero byte, with what cannot be printed as an underscore. */
    String text(int at, int length) throws ScsiDataException {
        byte[] part = slice(at, length);
        int end = 0;
        while (end < length && part[end] != 0) {
            if (part[end] < ' ' || part[end] > '~') {
                part[end] = '_';
            }
            end++;
        }
        return new String(part, 0, end, StandardCharsets.US_ASCII);
    }
}
