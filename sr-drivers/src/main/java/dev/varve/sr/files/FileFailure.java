// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.ReadOnlyFileSystemException;

/** Turns failures of the file system into errors that say what to do. */
final class FileFailure {
    private FileFailure() {}

    /** The exception for a negative result of a system call. */
    static StorageException of(String what, int result) {
        String reason = what + ": " + Libc.errorName(result);
        return switch (-result) {
            case Libc.ENOSPC, Libc.EDQUOT, Libc.EFBIG ->
                    ErrorCode.SR_NO_SPACE.because(
                            reason + "; the file system has no room, or its limit is reached");
            case Libc.EROFS ->
                    ErrorCode.SR_NOT_WRITABLE.because(
                            reason + "; the file system is mounted read-only: remount it writable");
            case Libc.EACCES, Libc.EPERM ->
                    ErrorCode.SR_NOT_WRITABLE.because(
                            reason + "; give the user of the daemon the right to write there");
            case Libc.ENOENT, Libc.ENOTDIR, Libc.ESTALE ->
                    ErrorCode.SR_UNAVAILABLE.because(
                            reason + "; is the directory there, and its file system mounted?");
            case Libc.EIO -> ErrorCode.SR_IO_ERROR.because(reason);
            default -> ErrorCode.SR_FILESYSTEM.because(reason);
        };
    }

    /** The exception for one of the library. */
    static StorageException of(String what, IOException cause) {
        String reason = what + ": " + cause;
        return switch (cause) {
            case AccessDeniedException e ->
                    ErrorCode.SR_UNAVAILABLE.because(
                            reason + "; give the user of the daemon the right to read it", e);
            case NoSuchFileException e ->
                    ErrorCode.SR_UNAVAILABLE.because(
                            reason + "; is the directory there, and its file system mounted?", e);
            case NotDirectoryException e -> ErrorCode.SR_UNAVAILABLE.because(reason, e);
            default -> ErrorCode.SR_IO_ERROR.because(reason, cause);
        };
    }

    /** The exception for one of the library that has no error number. */
    static StorageException of(String what, ReadOnlyFileSystemException cause) {
        return ErrorCode.SR_NOT_WRITABLE.because(what + ": the file system is read-only", cause);
    }
}
