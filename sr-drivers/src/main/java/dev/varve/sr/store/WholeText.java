// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.store;

/** Text that can be written as UTF-8. */
public final class WholeText {
    private WholeText() {}

    /** The text with U+FFFD in place of halves of surrogate pairs, which are no text. */
    public static String of(String value) {
        String written = value;
        for (int i = 0; i < written.length(); i++) {
            boolean half = Character.isSurrogate(written.charAt(i));
            if (half && written.codePointAt(i) > Character.MAX_VALUE) {
                i++;
            } else if (half) {
                written = written.substring(0, i) + '\ufffd' + written.substring(i + 1);
            }
        }
        return written;
    }
}
