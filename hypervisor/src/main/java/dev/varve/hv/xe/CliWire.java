// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * The thin command line protocol, version 0.2: frames of a 32-bit little-endian length and a
 * payload of 32-bit little-endian integers and texts with a length in front.
 *
 * <pre>
 * greeting   27 bytes PREFIX, int32 major, int32 minor; the server first, then the client
 * frame      int32 length, payload
 * payload    int32 COMMAND | RESPONSE | BLOB, int32 tag, arguments
 * chunk      frame BLOB CHUNK int32 count, then count bytes outside of any frame
 * </pre>
 */
public final class CliWire {
    /** What both sides say first. */
    public static final String PREFIX = "XenSource thin CLI protocol";

    /** The version spoken here. */
    public static final int MAJOR = 0;

    /** The version spoken here. */
    public static final int MINOR = 2;

    /** The longest frame that is taken. */
    public static final int MAX_FRAME_BYTES = 16 * 1024 * 1024;

    /** From server to client. */
    public static final int COMMAND = 9;

    /** From client to server. */
    public static final int RESPONSE = 10;

    /** Content of a file, either way. */
    public static final int BLOB = 11;

    /** Commands: print a text and a newline. */
    public static final int PRINT = 0;

    /** Commands: send the content of a file. */
    public static final int LOAD = 1;

    /** Commands: send a line that the user types. */
    public static final int PROMPT = 3;

    /** Commands: end with a code. */
    public static final int EXIT = 4;

    /** Commands: fetch a file over HTTP. */
    public static final int HTTP_GET = 12;

    /** Commands: send a file over HTTP. */
    public static final int HTTP_PUT = 13;

    /** Commands: show an error code and its parameters. */
    public static final int ERROR = 14;

    /** Commands: print a text when the user wants to see it. */
    public static final int DEBUG = 15;

    /** Commands: print a text on the error output as it is. */
    public static final int PRINT_STDERR = 16;

    /** Commands: connect the terminal. */
    public static final int HTTP_CONNECT = 17;

    /** Responses: done. */
    public static final int OK = 5;

    /** Responses: could not be done. */
    public static final int FAILED = 6;

    /** Responses: still at it. */
    public static final int WAIT = 18;

    /** Blobs: bytes follow. */
    public static final int CHUNK = 7;

    /** Blobs: that was all. */
    public static final int END = 8;

    private CliWire() {}

    /** Builds the payload of a frame. */
    public static final class Writer {
        private final ByteArrayOutputStream payload = new ByteArrayOutputStream();

        /** Starts with the two tags. */
        public Writer(int kind, int tag) {
            number(kind).number(tag);
        }

        /** Adds an integer. */
        public Writer number(int value) {
            putInt(payload, value);
            return this;
        }

        /** Adds a text. */
        public Writer text(String value) {
            byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
            number(bytes.length);
            payload.write(bytes, 0, bytes.length);
            return this;
        }

        /** Sends the frame in one piece. */
        public void send(OutputStream out) throws IOException {
            ByteArrayOutputStream frame = new ByteArrayOutputStream(payload.size() + 4);
            putInt(frame, payload.size());
            payload.writeTo(frame);
            out.write(frame.toByteArray());
            out.flush();
        }
    }

    /** Takes the payload of a frame apart. */
    public static final class Reader {
        private final byte[] payload;
        private int at;

        private Reader(byte[] payload) {
            this.payload = payload;
        }

        /** Waits for the next frame. */
        public static Reader next(InputStream in) throws IOException {
            int length = getInt(readFully(in, 4), 0);
            if (length < 0 || length > MAX_FRAME_BYTES) {
                throw new IOException("a frame of " + length + " bytes is not acceptable");
            }
            return new Reader(readFully(in, length));
        }

        /** The next integer. */
        public int number() throws IOException {
            need(4);
            at += 4;
            return getInt(payload, at - 4);
        }

        /** The next text. */
        public String text() throws IOException {
            int length = number();
            if (length < 0) {
                throw new IOException("a text of negative length");
            }
            need(length);
            at += length;
            return new String(payload, at - length, length, StandardCharsets.UTF_8);
        }

        private void need(int count) throws IOException {
            if (payload.length - at < count) {
                throw new EOFException("a frame is shorter than what it holds");
            }
        }
    }

    /** The greeting of either side. */
    public static byte[] greeting() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] prefix = PREFIX.getBytes(StandardCharsets.US_ASCII);
        out.write(prefix, 0, prefix.length);
        putInt(out, MAJOR);
        putInt(out, MINOR);
        return out.toByteArray();
    }

    /** Reads a greeting; fails when it is none, or of another major version. */
    public static void expectGreeting(InputStream in) throws IOException {
        byte[] prefix = readFully(in, PREFIX.length());
        String text = new String(prefix, StandardCharsets.US_ASCII);
        if (!text.equals(PREFIX)) {
            throw new IOException(
                    text.startsWith("HTTP")
                            ? "Server internal error."
                            : "the peer does not speak the thin CLI protocol");
        }
        byte[] version = readFully(in, 8);
        if (getInt(version, 0) != MAJOR) {
            throw new IOException(
                    "the peer speaks version "
                            + getInt(version, 0)
                            + " of the thin CLI protocol, this program version "
                            + MAJOR);
        }
    }

    /** So many bytes and no fewer. */
    public static byte[] readFully(InputStream in, int count) throws IOException {
        byte[] bytes = in.readNBytes(count);
        if (bytes.length < count) {
            throw new EOFException("the connection was closed");
        }
        return bytes;
    }

    private static void putInt(ByteArrayOutputStream out, int value) {
        out.write(value);
        out.write(value >> 8);
        out.write(value >> 16);
        out.write(value >> 24);
    }

    private static int getInt(byte[] bytes, int at) {
        return (bytes[at] & 0xff)
                | (bytes[at + 1] & 0xff) << 8
                | (bytes[at + 2] & 0xff) << 16
                | (bytes[at + 3] & 0xff) << 24;
    }
}
