// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

/**
 * Status class and detail of a login response (RFC 7143, 11.13.5).
 *
 * <table>
 * <caption>Classes</caption>
 * <tr><th>class</th><th>meaning</th><th>what comes of it</th></tr>
 * <tr><td>0</td><td>success</td><td>the login goes on, or is complete</td></tr>
 * <tr><td>1</td><td>redirection</td><td>it begins anew where the target says</td></tr>
 * <tr><td>2</td><td>the initiator is at fault</td><td>ISCSI_LOGIN; trying again is of no use</td></tr>
 * <tr><td>3</td><td>the target is at fault</td><td>ISCSI_TARGET; it may work later</td></tr>
 * </table>
 */
final class LoginStatus {
    private static final int REDIRECTION = 1;
    private static final int TARGET_ERROR = 3;

    private LoginStatus() {}

    static boolean isSuccess(int status) {
        return status >>> 8 == 0;
    }

    static boolean isRedirection(int status) {
        return status >>> 8 == REDIRECTION;
    }

    /** What to tell the caller of a login that was refused. */
    static StorageException refusal(int status, String target) {
        ErrorCode code =
                status >>> 8 == TARGET_ERROR ? ErrorCode.ISCSI_TARGET : ErrorCode.ISCSI_LOGIN;
        return code.because(
                "%s refused the login: %s (status %04X)".formatted(target, reason(status), status));
    }

    private static String reason(int status) {
        return switch (status) {
            case 0x0200 -> "something in the request is wrong";
            case 0x0201 -> "the name or the secret of CHAP is wrong or missing";
            case 0x0202 -> "this initiator may not use the target";
            case 0x0203 -> "there is no such target, or this initiator may not see it";
            case 0x0204 -> "the target was removed and has no new address";
            case 0x0205 -> "it does not speak this version of iSCSI";
            case 0x0206 -> "it takes no more connections in this session";
            case 0x0207 -> "it misses something in the request";
            case 0x0208 -> "it cannot put this connection into the session";
            case 0x0209 -> "it does not offer this type of session";
            case 0x020A -> "it does not know the session";
            case 0x020B -> "the request is not one of a login";
            case 0x0300 -> "it has an error";
            case 0x0301 -> "it is not in service now";
            case 0x0302 -> "it has no room for another session";
            default -> "for a reason that has no name";
        };
    }
}
