// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

/**
 * What texts may hold so that both protocols can carry them: XML knows no control characters but
 * tab and the ends of lines, and neither knows half a surrogate pair.
 */
public final class Texts {
    private static final int REPLACEMENT = 0xfffd;

    private Texts() {}

    /** Whether both protocols can carry the text. */
    static boolean fits(String text) {
        return text.codePoints().allMatch(Texts::fits);
    }

    private static boolean fits(int c) {
        boolean control = c < ' ' && c != '\t' && c != '\n' && c != '\r';
        boolean half = c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE;
        return !control && !half && c != 0xfffe && c != 0xffff;
    }

    /** A text that somebody else wrote, with a sign in place of each character that cannot be. */
    public static String fit(String text) {
        if (fits(text)) {
            return text;
        }
        StringBuilder fit = new StringBuilder();
        text.codePoints().forEach(c -> fit.appendCodePoint(fits(c) ? c : REPLACEMENT));
        return fit.toString();
    }
}
