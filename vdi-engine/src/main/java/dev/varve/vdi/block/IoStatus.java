// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.ffi.Libc;

/** How a request ended. */
public enum IoStatus {
    /** Done. */
    OK,
    /** The device failed. */
    IO_ERROR,
    /** There is no room. */
    NO_SPACE,
    /** The request goes past the end, is not aligned, or is otherwise not acceptable. */
    INVALID,
    /** The device may only be read. */
    READ_ONLY,
    /** The device cannot do this. */
    NOT_SUPPORTED,
    /** It was given up because the device was taken away. */
    CANCELLED,
    /** It took longer than it may. */
    TIMED_OUT;

    /** The status for a negative result of a system call. */
    public static IoStatus ofError(int result) {
        return switch (-result) {
            case Libc.ENOSPC, Libc.EDQUOT, Libc.EFBIG -> NO_SPACE;
            case Libc.EROFS, Libc.EPERM, Libc.EACCES -> READ_ONLY;
            case Libc.EINVAL -> INVALID;
            case Libc.EOPNOTSUPP -> NOT_SUPPORTED;
            case Libc.ECANCELED -> CANCELLED;
            default -> IO_ERROR;
        };
    }
}
