// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

/**
 * A session that somebody wants.
 *
 * @param initiator the name of this host
 * @param target the name of the target
 * @param isid our part of the session's name: one for each session to the same target that lives at
 *     the same time. A login with one that is in use ends the session that uses it
 * @param portal where the target listens
 * @param chap who has to show who they are
 * @param headerDigest whether headers get a digest
 * @param dataDigest whether data get a digest
 * @param limits what we offer
 */
public record SessionSpec(
        IscsiName initiator,
        IscsiName target,
        Isid isid,
        Portal portal,
        ChapSecrets chap,
        DigestChoice headerDigest,
        DigestChoice dataDigest,
        SessionLimits limits) {
    /** One without digests and with the limits that suit disks. */
    public static SessionSpec of(
            IscsiName initiator, IscsiName target, Isid isid, Portal portal, ChapSecrets chap) {
        return new SessionSpec(
                initiator,
                target,
                isid,
                portal,
                chap,
                DigestChoice.NONE,
                DigestChoice.NONE,
                SessionLimits.DEFAULT);
    }

    /** The same session by another portal. */
    public SessionSpec at(Portal other) {
        return new SessionSpec(
                initiator, target, isid, other, chap, headerDigest, dataDigest, limits);
    }

    /** The same with another ISID. */
    public SessionSpec as(Isid other) {
        return new SessionSpec(
                initiator, target, other, portal, chap, headerDigest, dataDigest, limits);
    }

    /** The same with digests. */
    public SessionSpec digested(DigestChoice header, DigestChoice data) {
        return new SessionSpec(initiator, target, isid, portal, chap, header, data, limits);
    }

    /** The same with other limits. */
    public SessionSpec limited(SessionLimits other) {
        return new SessionSpec(
                initiator, target, isid, portal, chap, headerDigest, dataDigest, other);
    }

    /** The target and the portal, for messages. */
    public String name() {
        return target + " at " + portal;
    }
}
