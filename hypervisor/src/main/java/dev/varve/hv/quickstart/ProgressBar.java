// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.quickstart;

import java.io.PrintStream;
import java.util.Locale;

/** A line on a terminal that grows while work goes on, and is gone when it is done. */
final class ProgressBar {
    private static final int WIDTH = 40;

    private final PrintStream terminal;
    private final String what;
    private int shown = -1;

    /**
     * @param terminal where to draw, or null to draw nothing
     */
    ProgressBar(PrintStream terminal, String what) {
        this.terminal = terminal;
        this.what = what;
    }

    void show(long done, long all) {
        int percent = (int) (done * 100 / all);
        if (terminal == null || percent == shown) {
            return;
        }
        shown = percent;
        int filled = percent * WIDTH / 100;
        terminal.printf(
                Locale.ROOT,
                "\r    %-9s [%s%s] %3d %%",
                what,
                "#".repeat(filled),
                ".".repeat(WIDTH - filled),
                percent);
        terminal.flush();
    }

    void clear() {
        if (terminal != null) {
            terminal.print("\r" + " ".repeat(WIDTH + 24) + "\r");
            terminal.flush();
        }
    }
}
