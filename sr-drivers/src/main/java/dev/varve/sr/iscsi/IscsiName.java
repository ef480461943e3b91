// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.vdi.ErrorCode;

import java.util.Locale;
import java.util.regex.Pattern;

/**
 * The name of an initiator or a target (RFC 7143, 4.2.7; RFC 3722): {@code iqn.2001-04.com.example}
 * with or without {@code :anything}, {@code eui.} with 16 hexadecimal digits, or {@code naa.} with
 * 16 or 32. Capital letters count as small ones and are made small.
 *
 * @param value the name
 */
public record IscsiName(String value) {
    private static final int MAX_BYTES = 223;
    private static final Pattern IQN =
            Pattern.compile("iqn\\.[0-9]{4}-(0[1-9]|1[0-2])\\.[-.:\\p{L}\\p{N}]+");
    private static final Pattern EUI = Pattern.compile("eui\\.[0-9a-f]{16}");
    private static final Pattern NAA = Pattern.compile("naa\\.([0-9a-f]{16}|[0-9a-f]{32})");

    /** Takes a name, or fails with INVALID_IQN. */
    public IscsiName {
        value = value.strip().toLowerCase(Locale.ROOT);
        if (!isName(value)) {
            throw ErrorCode.INVALID_IQN.because(
                    "%s is not an iSCSI name; one looks like iqn.2001-04.com.example:storage"
                            .formatted(quoted(value)));
        }
    }

    private static boolean isName(String value) {
        return value.getBytes(java.nio.charset.StandardCharsets.UTF_8).length <= MAX_BYTES
                && (IQN.matcher(value).matches()
                        || EUI.matcher(value).matches()
                        || NAA.matcher(value).matches());
    }

    private static String quoted(String value) {
        String shown = value.length() > MAX_BYTES ? value.substring(0, MAX_BYTES) : value;
        return "\"" + shown.replaceAll("\\p{Cntrl}", "?") + "\"";
    }

    @Override
    public String toString() {
        return value;
    }
}
