// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * A document that tells programs what there is to choose from, in the shape that they have always
 * been sent: one element on a line, children indented by a tab, texts on lines of their own.
 *
 * <pre>{@code
 * new ProbeDocument("SRlist").open("SR").element("UUID", uuid).close().text()
 * }</pre>
 *
 * <p><b>Threads:</b> one.
 */
public final class ProbeDocument {
    private final StringBuilder xml = new StringBuilder("<?xml version=\"1.0\" ?>\n");
    private final Deque<String> open = new ArrayDeque<>();

    /** A document of one element, which stays open until {@link #text()}. */
    public ProbeDocument(String root) {
        open(root);
    }

    /** Begins an element that has others within. */
    public ProbeDocument open(String name) {
        line("<" + name + ">");
        open.push(name);
        return this;
    }

    /** Ends the element that was begun last. */
    public ProbeDocument close() {
        String name = open.pop();
        line("</" + name + ">");
        return this;
    }

    /** An element with a text. */
    public ProbeDocument element(String name, String value) {
        open(name);
        line(escape(value));
        return close();
    }

    private void line(String text) {
        xml.repeat('\t', open.size()).append(text).append('\n');
    }

    /** What XML cannot hold at all becomes a blank. */
    private static String escape(String value) {
        StringBuilder text = new StringBuilder(value.length());
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            switch (c) {
                case '&' -> text.append("&amp;");
                case '<' -> text.append("&lt;");
                case '>' -> text.append("&gt;");
                default -> text.append(c < ' ' || c >= '\uFFFE' ? ' ' : c);
            }
        }
        return text.toString();
    }

    /** The whole, with everything ended that is still open. */
    public String text() {
        while (!open.isEmpty()) {
            close();
        }
        return xml.toString();
    }
}
