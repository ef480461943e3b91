// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

/**
 * What both sides of a session have agreed on (RFC 7143, 13). Error recovery level 0, one
 * connection, and data in order within a sequence and from sequence to sequence are always so: we
 * offer nothing else, and a target cannot choose another.
 *
 * @param receiveBytes how large a data segment the target may send us
 * @param sendBytes how large a data segment we may send the target
 * @param maxBurstBytes how much one solicited sequence of data may carry
 * @param firstBurstBytes how much may go unasked for one command, immediate data counted
 * @param initialR2t whether only the data in the command itself may go unasked
 * @param immediateData whether a command may carry data
 * @param maxOutstandingR2t how many R2T of one command may be open at once
 * @param headerDigest whether each header is followed by a digest
 * @param dataDigest whether each data segment that is not empty is followed by a digest
 * @param secondsToWait how long to wait after a connection is lost before the next login
 * @param secondsToRetain how long the target keeps tasks after a connection is lost
 * @param portalGroup the portal group tag of the target, or -1 when it has told none
 */
public record Negotiated(
        int receiveBytes,
        int sendBytes,
        int maxBurstBytes,
        int firstBurstBytes,
        boolean initialR2t,
        boolean immediateData,
        int maxOutstandingR2t,
        boolean headerDigest,
        boolean dataDigest,
        int secondsToWait,
        int secondsToRetain,
        int portalGroup) {
    /** How much data a command itself may carry for a write of so many bytes. */
    public int immediateBytes(int length) {
        return immediateData ? Math.min(Math.min(firstBurstBytes, sendBytes), length) : 0;
    }

    /** How much data may go unasked for a write of so many bytes, immediate data counted. */
    public int unsolicitedBytes(int length) {
        return initialR2t ? immediateBytes(length) : Math.min(firstBurstBytes, length);
    }
}
