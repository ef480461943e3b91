// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.UUID;

/**
 * The footer: the last sector of every VHD and, in a dynamic one, also the first.
 *
 * <table>
 * <caption>512 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>cookie {@code conectix}</td></tr>
 * <tr><td>8</td><td>4</td><td>features; 2 is always set</td></tr>
 * <tr><td>12</td><td>4</td><td>version 0x00010000</td></tr>
 * <tr><td>16</td><td>8</td><td>offset of the header; all ones for a fixed disk</td></tr>
 * <tr><td>24</td><td>4</td><td>creation time, seconds since 2000-01-01 UTC</td></tr>
 * <tr><td>28</td><td>4</td><td>creating program</td></tr>
 * <tr><td>32</td><td>4</td><td>its version</td></tr>
 * <tr><td>36</td><td>4</td><td>its operating system</td></tr>
 * <tr><td>40</td><td>8</td><td>size at creation, bytes</td></tr>
 * <tr><td>48</td><td>8</td><td>size now, bytes</td></tr>
 * <tr><td>56</td><td>4</td><td>cylinders (2), heads (1), sectors per track (1)</td></tr>
 * <tr><td>60</td><td>4</td><td>type: 2 fixed, 3 dynamic, 4 differencing</td></tr>
 * <tr><td>64</td><td>4</td><td>one's complement of the sum of all bytes, this field as zero</td></tr>
 * <tr><td>68</td><td>16</td><td>UUID</td></tr>
 * <tr><td>84</td><td>1</td><td>saved state, 0 or 1</td></tr>
 * <tr><td>85</td><td>1</td><td>hidden, 0 or 1: an inner node (blktap)</td></tr>
 * <tr><td>86</td><td>426</td><td>reserved, zero</td></tr>
 * </table>
 *
 * @param dataOffset offset of the header in bytes, or {@link #NO_HEADER}
 * @param timestamp seconds since {@link #EPOCH_SECONDS}, as an unsigned number
 * @param creator the four bytes that name the creating program
 */
public record VhdFooter(
        int features,
        long dataOffset,
        int timestamp,
        int creator,
        int creatorVersion,
        int creatorOs,
        long originalSize,
        long currentSize,
        int geometry,
        Type type,
        UUID uuid,
        boolean savedState,
        boolean hidden) {
    /** The size of the structure in bytes. */
    public static final int BYTES = 512;

    /** The value of {@link #dataOffset} in a fixed disk. */
    public static final long NO_HEADER = -1;

    /** 2000-01-01 00:00:00 UTC in seconds since 1970. */
    public static final long EPOCH_SECONDS = 946_684_800L;

    /** The creating program {@code tap\0}, whose images have a batmap. */
    public static final int CREATOR_TAP = 0x74617000;

    /** Version 1.3 of {@link #CREATOR_TAP}. */
    public static final int CREATOR_TAP_VERSION = 0x00010003;

    static final long COOKIE = 0x636F6E6563746978L;
    static final int VERSION = 0x00010000;
    static final int FEATURES = 2;
    static final int OFFSET_FEATURES = 8;
    static final int OFFSET_VERSION = 12;
    static final int OFFSET_DATA = 16;
    static final int OFFSET_TIMESTAMP = 24;
    static final int OFFSET_CREATOR = 28;
    static final int OFFSET_CREATOR_VERSION = 32;
    static final int OFFSET_CURRENT_SIZE = 48;
    static final int OFFSET_GEOMETRY = 56;
    static final int OFFSET_TYPE = 60;
    static final int OFFSET_CHECKSUM = 64;
    static final int OFFSET_UUID = 68;
    static final int OFFSET_SAVED = 84;
    static final int OFFSET_HIDDEN = 85;
    static final int OFFSET_RESERVED = 86;

    /** How the disk is stored. */
    public enum Type {
        /** All sectors in order. */
        FIXED(2),
        /** Blocks on demand. */
        DYNAMIC(3),
        /** Blocks on demand over a parent image. */
        DIFFERENCING(4);

        private final int code;

        Type(int code) {
            this.code = code;
        }

        int code() {
            return code;
        }
    }

    /** Whether the sector begins like a footer. */
    public static boolean isFooter(byte[] sector) {
        return sector.length >= BYTES && ByteBuffer.wrap(sector).getLong(0) == COOKIE;
    }

    /**
     * Reads a footer and checks it.
     *
     * @param where which footer it is, for messages
     * @throws StorageException VDI_LOAD saying what is wrong
     */
    public static VhdFooter parse(byte[] sector, String where) {
        ByteBuffer in = ByteBuffer.wrap(sector);
        check(in.getLong(0) == COOKIE, where, "does not begin with 'conectix'");
        int stored = in.getInt(OFFSET_CHECKSUM);
        int computed = checksum(sector);
        check(
                stored == computed,
                where,
                "has checksum %08x where its bytes give %08x".formatted(stored, computed));
        check(in.getInt(OFFSET_VERSION) == VERSION, where, "is of an unknown version");
        check((in.getInt(OFFSET_FEATURES) & FEATURES) != 0, where, "lacks the feature bit 2");
        byte saved = sector[OFFSET_SAVED];
        byte hidden = sector[OFFSET_HIDDEN];
        check(saved == 0 || saved == 1, where, "has a saved state that is neither 0 nor 1");
        check(hidden == 0 || hidden == 1, where, "has a hidden mark that is neither 0 nor 1");
        Type type = typeOf(in.getInt(OFFSET_TYPE), where);
        return new VhdFooter(
                in.getInt(OFFSET_FEATURES),
                in.getLong(OFFSET_DATA),
                in.getInt(OFFSET_TIMESTAMP),
                in.getInt(OFFSET_CREATOR),
                in.getInt(OFFSET_CREATOR_VERSION),
                in.getInt(36),
                in.getLong(40),
                in.getLong(OFFSET_CURRENT_SIZE),
                in.getInt(OFFSET_GEOMETRY),
                type,
                new UUID(in.getLong(OFFSET_UUID), in.getLong(OFFSET_UUID + 8)),
                saved == 1,
                hidden == 1);
    }

    private static Type typeOf(int code, String where) {
        for (Type type : Type.values()) {
            if (type.code == code) {
                return type;
            }
        }
        throw invalid(where, "is of the unknown disk type " + code);
    }

    private static void check(boolean holds, String where, String problem) {
        if (!holds) {
            throw invalid(where, problem);
        }
    }

    static StorageException invalid(String where, String problem) {
        return ErrorCode.VDI_LOAD.because("not a usable VHD: " + where + " " + problem);
    }

    /** The bytes of the footer. */
    public byte[] encode() {
        byte[] sector = new byte[BYTES];
        ByteBuffer out = ByteBuffer.wrap(sector);
        out.putLong(0, COOKIE);
        out.putInt(OFFSET_FEATURES, features);
        out.putInt(OFFSET_VERSION, VERSION);
        out.putLong(OFFSET_DATA, dataOffset);
        out.putInt(OFFSET_TIMESTAMP, timestamp);
        out.putInt(OFFSET_CREATOR, creator);
        out.putInt(OFFSET_CREATOR_VERSION, creatorVersion);
        out.putInt(36, creatorOs);
        out.putLong(40, originalSize);
        out.putLong(OFFSET_CURRENT_SIZE, currentSize);
        out.putInt(OFFSET_GEOMETRY, geometry);
        out.putInt(OFFSET_TYPE, type.code);
        out.putLong(OFFSET_UUID, uuid.getMostSignificantBits());
        out.putLong(OFFSET_UUID + 8, uuid.getLeastSignificantBits());
        sector[OFFSET_SAVED] = (byte) (savedState ? 1 : 0);
        sector[OFFSET_HIDDEN] = (byte) (hidden ? 1 : 0);
        out.putInt(OFFSET_CHECKSUM, checksum(sector));
        return sector;
    }

    private static int checksum(byte[] sector) {
        return VhdChecksum.of(sector, 0, BYTES, OFFSET_CHECKSUM);
    }

    /** Whether an image of this creator may have a batmap. */
    boolean mayHaveBatmap() {
        return creator == CREATOR_TAP && Integer.compareUnsigned(creatorVersion, 0x00000001) > 0;
    }

    /**
     * The same footer for a disk of another size. The size at creation goes along: it means nothing
     * to us and is all that some readers look at.
     */
    public VhdFooter withSize(long sizeBytes) {
        return new VhdFooter(
                features,
                dataOffset,
                timestamp,
                creator,
                creatorVersion,
                creatorOs,
                sizeBytes,
                sizeBytes,
                VhdGeometry.of(sizeBytes),
                type,
                uuid,
                savedState,
                hidden);
    }

    /** The same footer with or without the mark of an inner node. */
    public VhdFooter withHidden(boolean nowHidden) {
        return new VhdFooter(
                features,
                dataOffset,
                timestamp,
                creator,
                creatorVersion,
                creatorOs,
                originalSize,
                currentSize,
                geometry,
                type,
                uuid,
                savedState,
                nowHidden);
    }

    /** The same footer for an image in another role. */
    VhdFooter withRole(Type nowType, UUID nowUuid, boolean nowHidden) {
        return new VhdFooter(
                features,
                dataOffset,
                timestamp,
                creator,
                creatorVersion,
                creatorOs,
                originalSize,
                currentSize,
                geometry,
                nowType,
                nowUuid,
                savedState,
                nowHidden);
    }

    /** Whether reserved bytes are zero, as a strict reader demands. */
    static boolean isReservedZero(byte[] sector) {
        byte[] zeros = new byte[BYTES - OFFSET_RESERVED];
        return Arrays.equals(sector, OFFSET_RESERVED, BYTES, zeros, 0, zeros.length);
    }
}
