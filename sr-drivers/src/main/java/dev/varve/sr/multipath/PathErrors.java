// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.vdi.ffi.Libc;

/**
 * Which errors of the kernel say that a path has failed, so that another one may do better, and
 * which say that the device itself has answered.
 *
 * <p>When a command ends with one of the former the SCSI layer of the kernel has given it up: it
 * was aborted, or the link over which it went is gone. It is not carried out any more when the same
 * is sent over another path.
 *
 * <table>
 * <caption>Errors of block devices</caption>
 * <tr><th>error</th><th>the kernel means</th><th>the path has failed</th></tr>
 * <tr><td>EIO</td><td>something went wrong that nothing else names</td><td>yes</td></tr>
 * <tr><td>ENOLINK</td><td>the transport has failed</td><td>yes</td></tr>
 * <tr><td>ETIMEDOUT, ESHUTDOWN</td><td>no answer; the link is closing</td><td>yes</td></tr>
 * <tr><td>ENODEV, ENXIO</td><td>the device is offline, or unplugged</td><td>yes</td></tr>
 * <tr><td>EREMOTEIO, ENODATA, EILSEQ</td><td>the target refuses; the medium is bad; a checksum is
 * wrong</td><td>no</td></tr>
 * <tr><td>EBADE</td><td>another host has a reservation</td><td>no</td></tr>
 * <tr><td>ENOSPC, EOPNOTSUPP, EINVAL, EPERM, EROFS</td><td>full, cannot, may not</td><td>no, unless
 * the device has lost its size: then it is unplugged</td></tr>
 * </table>
 */
final class PathErrors {
    private PathErrors() {}

    /**
     * Whether a path has failed.
     *
     * @param error {@code -errno}
     */
    static boolean isOfPath(long error) {
        return switch ((int) -error) {
            case Libc.EIO, Libc.ENOLINK, Libc.ETIMEDOUT, Libc.ESHUTDOWN, Libc.ENODEV, Libc.ENXIO ->
                    true;
            default -> false;
        };
    }
}
