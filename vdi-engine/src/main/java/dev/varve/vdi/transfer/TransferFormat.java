// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.ErrorCode;

import java.util.Locale;

/** The formats that disks come and go in. */
public enum TransferFormat {
    /** All bytes of the disk in order. */
    RAW("application/octet-stream", true),
    /** A virtual hard disk: dynamic, fixed or differencing. */
    VHD("application/vhd", true),
    /** A virtual machine disk in its stream-optimised form. */
    VMDK("application/x-vmdk", false);

    private final String contentType;
    private final boolean leaves;

    TransferFormat(String contentType, boolean leaves) {
        this.contentType = contentType;
        this.leaves = leaves;
    }

    /** Its media type. */
    public String contentType() {
        return contentType;
    }

    /** How it is called, and what the names of its files end in. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The format of a name, for a disk that goes out.
     *
     * @throws dev.varve.vdi.StorageException VALUE_NOT_SUPPORTED with those that there are
     */
    public static TransferFormat leaving(String name) {
        return named(name, false);
    }

    /**
     * The format of a name, for a disk that comes in.
     *
     * @throws dev.varve.vdi.StorageException VALUE_NOT_SUPPORTED with those that there are
     */
    public static TransferFormat coming(String name) {
        return named(name, true);
    }

    private static TransferFormat named(String name, boolean coming) {
        for (TransferFormat format : values()) {
            if (format.text().equals(name.toLowerCase(Locale.ROOT)) && (coming || format.leaves)) {
                return format;
            }
        }
        throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                "format",
                name,
                coming
                        ? "disks come in as raw, vhd or vmdk (stream-optimised); convert other"
                                + " formats with qemu-img first"
                        : "disks go out as raw or vhd; convert them with qemu-img afterwards");
    }
}
