// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/**
 * An entry of the header that tells where in the file the name of the parent is, in one of several
 * notations.
 *
 * <table>
 * <caption>24 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>4</td><td>code: the notation</td></tr>
 * <tr><td>4</td><td>4</td><td>room for the name; sectors by the specification, bytes in the images
 * of most programs</td></tr>
 * <tr><td>8</td><td>4</td><td>length of the name, bytes</td></tr>
 * <tr><td>12</td><td>4</td><td>reserved, zero</td></tr>
 * <tr><td>16</td><td>8</td><td>offset of the name, bytes</td></tr>
 * </table>
 *
 * Source: the VHD specification 1.0, "Parent Locator Entry", and the images of blktap's libvhd,
 * which has three in the order MACX, W2KU, W2RU, each with 512 bytes of room.
 *
 * @param code one of {@link #MACX}, {@link #W2KU}, {@link #W2RU}, {@link #NONE}, or that of another
 *     notation
 * @param space room for the name, as it is written
 * @param length of the name in bytes
 * @param offset of the name in bytes
 */
public record ParentLocator(int code, int space, int length, long offset) {
    /** The size of the structure in bytes. */
    public static final int BYTES = 24;

    /** The entry is not used. */
    public static final int NONE = 0;

    /** A file URL in UTF-8. */
    public static final int MACX = 0x4D616358;

    /** An absolute path of Windows in UTF-16, little-endian. */
    public static final int W2KU = 0x57326B75;

    /** A relative path of Windows in UTF-16, little-endian. */
    public static final int W2RU = 0x57327275;

    /** Codes of the specification that no program writes any more: WI2R, WI2K, MAC. */
    private static final Set<Integer> OLD = Set.of(0x57693272, 0x5769326B, 0x4D616320);

    /** Names longer than this are not read: they would be longer than any path. */
    static final int LONGEST_BYTES = 64 << 10;

    static final int OFFSET_RESERVED = 12;

    private static final String URL = "file://";

    static ParentLocator parse(ByteBuffer in, int at) {
        return new ParentLocator(
                in.getInt(at), in.getInt(at + 4), in.getInt(at + 8), in.getLong(at + 16));
    }

    void encode(ByteBuffer out, int at) {
        out.putInt(at, code);
        out.putInt(at + 4, space);
        out.putInt(at + 8, length);
        out.putLong(at + 16, offset);
    }

    /** Whether the entry is in a notation that is understood here. */
    boolean isKnown() {
        return code == MACX || code == W2KU || code == W2RU;
    }

    /** Whether the specification has the notation, which is not understood here. */
    boolean isOld() {
        return OLD.contains(code);
    }

    /** The room in bytes, in whichever unit it was written. */
    long spaceBytes() {
        long unsigned = Integer.toUnsignedLong(space);
        return unsigned > 0 && unsigned < 512 ? unsigned * 512 : unsigned;
    }

    /** Where its room ends, in bytes. */
    long endBytes() {
        return offset + Math.max(spaceBytes(), Integer.toUnsignedLong(length));
    }

    private static Charset charset(int code) {
        return code == MACX ? StandardCharsets.UTF_8 : StandardCharsets.UTF_16LE;
    }

    /** The bytes that stand for a file in the same directory, in a notation. */
    static byte[] encodeName(int code, String name) {
        String text = code == MACX ? URL + "./" + name : ".\\" + name;
        return text.getBytes(charset(code));
    }

    /** The path as it was written, for people. */
    String decodePath(byte[] bytes) {
        return path(new String(bytes, charset(code)));
    }

    /** The path as it was written, or null where the bytes are no text in their notation. */
    String decodeStrictly(byte[] bytes) {
        try {
            return path(charset(code).newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
        } catch (CharacterCodingException e) {
            return null;
        }
    }

    private String path(String text) {
        int end = text.indexOf('\0');
        String path = end < 0 ? text : text.substring(0, end);
        return code == MACX && path.startsWith(URL) ? path.substring(URL.length()) : path;
    }

    /** What comes after the last separator of a path, of whichever system. */
    static String fileName(String path) {
        return path.substring(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
    }
}
