// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.DigestChoice;
import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.SessionLimits;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.vdi.ErrorCode;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;

/**
 * The keys of operational negotiation (RFC 7143, 13): what we offer, and what comes of the answers.
 *
 * <table>
 * <caption>Keys, and the function that gives the result</caption>
 * <tr><th>key</th><th>offer</th><th>result</th><th>without answer</th></tr>
 * <tr><td>HeaderDigest, DataDigest</td><td>as configured</td><td>the target chooses</td>
 *     <td>None</td></tr>
 * <tr><td>MaxRecvDataSegmentLength</td><td>256 KiB</td><td>each side tells its own</td>
 *     <td>8192</td></tr>
 * <tr><td>MaxBurstLength</td><td>1 MiB</td><td>the smaller</td><td>256 KiB</td></tr>
 * <tr><td>FirstBurstLength</td><td>256 KiB</td><td>the smaller</td><td>64 KiB</td></tr>
 * <tr><td>InitialR2T</td><td>No</td><td>Yes if either says so</td><td>Yes</td></tr>
 * <tr><td>ImmediateData</td><td>Yes</td><td>Yes if both say so</td><td>Yes</td></tr>
 * <tr><td>MaxOutstandingR2T</td><td>8</td><td>the smaller</td><td>1</td></tr>
 * <tr><td>MaxConnections, ErrorRecoveryLevel</td><td>1, 0</td><td>the smaller</td><td>1, 0</td></tr>
 * <tr><td>DataPDUInOrder, DataSequenceInOrder</td><td>Yes</td><td>Yes if either says so</td>
 *     <td>Yes</td></tr>
 * <tr><td>DefaultTime2Wait</td><td>0</td><td>the larger</td><td>2</td></tr>
 * <tr><td>DefaultTime2Retain</td><td>0</td><td>the smaller</td><td>20</td></tr>
 * </table>
 */
final class Negotiation {
    private static final String NONE = "None";
    private static final String YES = "Yes";
    private static final String NO = "No";
    private static final int LEAST_BYTES = 512;
    private static final int MOST_BYTES = (1 << 24) - 1;
    private static final int DEFAULT_SEND_BYTES = 8192;
    private static final int DEFAULT_MAX_BURST = 256 << 10;
    private static final int DEFAULT_FIRST_BURST = 64 << 10;

    /** Keys that a target may tell of itself, and what we asked it in the stage before. */
    private static final Set<String> TOLD =
            Set.of(
                    "MaxRecvDataSegmentLength",
                    "TargetPortalGroupTag",
                    "TargetAlias",
                    "TargetAddress",
                    "AuthMethod");

    private final SessionSpec spec;
    private final TextKeys answers = new TextKeys();
    private int portalGroup = -1;

    Negotiation(SessionSpec spec) {
        this.spec = spec;
    }

    /** What we offer. */
    TextKeys offer() {
        SessionLimits limits = spec.limits();
        return new TextKeys()
                .put("HeaderDigest", spec.headerDigest().offer())
                .put("DataDigest", spec.dataDigest().offer())
                .put("MaxRecvDataSegmentLength", limits.receiveBytes())
                .put("MaxBurstLength", limits.maxBurstBytes())
                .put("FirstBurstLength", limits.firstBurstBytes())
                .put("InitialR2T", limits.unsolicited() ? NO : YES)
                .put("ImmediateData", limits.unsolicited() ? YES : NO)
                .put("MaxOutstandingR2T", limits.maxOutstandingR2t())
                .put("MaxConnections", 1)
                .put("ErrorRecoveryLevel", 0)
                .put("DataPDUInOrder", YES)
                .put("DataSequenceInOrder", YES)
                .put("DefaultTime2Wait", 0)
                .put("DefaultTime2Retain", 0);
    }

    /** Takes the keys of an answer, and gives those that we have to answer in turn. */
    TextKeys take(TextKeys keys) throws LoginProtocolException {
        TextKeys offered = offer();
        TextKeys replies = new TextKeys();
        for (TextKeys.Entry entry : keys.entries()) {
            if (entry.key().equals("TargetPortalGroupTag")) {
                portalGroup = number(entry.value(), entry.key());
            }
            if (offered.get(entry.key()).isPresent()) {
                answers.put(entry.key(), entry.value());
            } else if (!TOLD.contains(entry.key())) {
                replies.put(entry.key(), "NotUnderstood");
            }
        }
        return replies;
    }

    /** What has been agreed on. */
    Negotiated result() throws LoginProtocolException {
        SessionLimits limits = spec.limits();
        int maxBurst = smaller("MaxBurstLength", limits.maxBurstBytes(), DEFAULT_MAX_BURST);
        int firstBurst = smaller("FirstBurstLength", limits.firstBurstBytes(), DEFAULT_FIRST_BURST);
        requireNoOther();
        return new Negotiated(
                limits.receiveBytes(),
                bytes("MaxRecvDataSegmentLength", DEFAULT_SEND_BYTES),
                maxBurst,
                Math.min(firstBurst, maxBurst),
                !limits.unsolicited() || isYes("InitialR2T", true),
                limits.unsolicited() && isYes("ImmediateData", true),
                Math.min(limits.maxOutstandingR2t(), atLeastOne("MaxOutstandingR2T")),
                digest("HeaderDigest", spec.headerDigest()),
                digest("DataDigest", spec.dataDigest()),
                number("DefaultTime2Wait", 2),
                0,
                portalGroup);
    }

    /** What has only one value for us. */
    private void requireNoOther() throws LoginProtocolException {
        require(number("ErrorRecoveryLevel", 0) == 0, "ErrorRecoveryLevel");
        require(number("MaxConnections", 1) == 1, "MaxConnections");
        require(isYes("DataPDUInOrder", true), "DataPDUInOrder");
        require(isYes("DataSequenceInOrder", true), "DataSequenceInOrder");
    }

    private static void require(boolean agreed, String key) throws LoginProtocolException {
        if (!agreed) {
            throw new LoginProtocolException(
                    "it chose a value of " + key + " that was not offered");
        }
    }

    private boolean digest(String key, DigestChoice choice) throws LoginProtocolException {
        String answer = answers.get(key).orElse(NONE);
        if (answer.equals(NONE) || isRefusal(answer)) {
            if (choice == DigestChoice.REQUIRED) {
                throw ErrorCode.ISCSI_LOGIN.because(
                        spec.name() + " cannot do " + choice.offer() + " as " + key);
            }
            return false;
        }
        require(Arrays.asList(choice.offer().split(",", -1)).contains(answer), key);
        return true;
    }

    private static boolean isRefusal(String answer) {
        return switch (answer) {
            case "Reject", "NotUnderstood", "Irrelevant" -> true;
            default -> false;
        };
    }

    private boolean isYes(String key, boolean without) throws LoginProtocolException {
        String answer = answers.get(key).orElse(without ? YES : NO);
        return switch (answer.toLowerCase(Locale.ROOT)) {
            case "yes" -> true;
            case "no" -> false;
            case "irrelevant", "notunderstood", "reject" -> without;
            default -> throw new LoginProtocolException("its " + key + " is neither Yes nor No");
        };
    }

    private int smaller(String key, int offer, int without) throws LoginProtocolException {
        return Math.min(offer, bytes(key, without));
    }

    private int bytes(String key, int without) throws LoginProtocolException {
        int value = number(key, without);
        if (value < LEAST_BYTES || value > MOST_BYTES) {
            throw new LoginProtocolException(
                    "its %s is %d, not %d to %d".formatted(key, value, LEAST_BYTES, MOST_BYTES));
        }
        return value;
    }

    private int atLeastOne(String key) throws LoginProtocolException {
        int value = number(key, 1);
        if (value < 1) {
            throw new LoginProtocolException("its " + key + " is 0");
        }
        return value;
    }

    private int number(String key, int without) throws LoginProtocolException {
        String answer = answers.get(key).orElse("");
        return answer.isEmpty() || isRefusal(answer) ? without : number(answer, key);
    }

    /** A number that is not negative, in base 10 or, after 0x, 16. */
    static int number(String value, String key) throws LoginProtocolException {
        try {
            boolean hex = value.startsWith("0x") || value.startsWith("0X");
            int number =
                    hex ? Integer.parseInt(value, 2, value.length(), 16) : Integer.parseInt(value);
            if (number >= 0 && !value.startsWith("+")) {
                return number;
            }
        } catch (NumberFormatException e) {
            throw new LoginProtocolException("its " + key + " is no number that it may be", e);
        }
        throw new LoginProtocolException("its " + key + " is no number that it may be");
    }
}
