// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

/**
 * What we offer when a session is negotiated (RFC 7143, 13). The target may lower all but the
 * first.
 *
 * @param receiveBytes how large a data segment we take (MaxRecvDataSegmentLength)
 * @param maxBurstBytes how much one sequence may carry (MaxBurstLength)
 * @param firstBurstBytes how much may go unasked (FirstBurstLength), at most the former
 * @param maxOutstandingR2t how many R2T of a command may be open at once
 * @param unsolicited whether we would send data without being asked, in the command and after it
 */
public record SessionLimits(
        int receiveBytes,
        int maxBurstBytes,
        int firstBurstBytes,
        int maxOutstandingR2t,
        boolean unsolicited) {
    /** What suits disks. */
    public static final SessionLimits DEFAULT =
            new SessionLimits(256 << 10, 1 << 20, 256 << 10, 8, true);

    private static final int LEAST_BYTES = 512;
    private static final int MOST_BYTES = (1 << 24) - 1;
    private static final int MOST_R2T = 65535;

    /** Takes what RFC 7143 allows. */
    public SessionLimits {
        requireBytes(receiveBytes);
        requireBytes(maxBurstBytes);
        requireBytes(firstBurstBytes);
        if (firstBurstBytes > maxBurstBytes) {
            throw new IllegalArgumentException("first burst is larger than a burst may be");
        }
        if (maxOutstandingR2t < 1 || maxOutstandingR2t > MOST_R2T) {
            throw new IllegalArgumentException("outstanding R2T: " + maxOutstandingR2t);
        }
    }

    private static void requireBytes(int bytes) {
        if (bytes < LEAST_BYTES || bytes > MOST_BYTES) {
            throw new IllegalArgumentException("no length of iSCSI: " + bytes);
        }
    }
}
