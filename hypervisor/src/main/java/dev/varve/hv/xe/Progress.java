// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.PrintStream;
import java.time.InstantSource;
import java.util.Locale;

/**
 * How far a transfer is: one line that is drawn anew on a terminal, lines of their own elsewhere.
 *
 * <p><b>Threads:</b> one.
 */
final class Progress {
    private static final long REDRAW_MILLIS = 200;
    private static final int LINE_PERCENT = 10;
    private static final long LINE_BYTES = 1L << 30;
    private static final double MB = 1e6;

    private final PrintStream to;
    private final boolean terminal;
    private final InstantSource time;
    private final long totalBytes;
    private final long beginMillis;
    private long shownMillis;
    private long shownStep = -1;

    /**
     * @param to where to show it, or null
     * @param terminal whether that is a terminal
     * @param totalBytes how much there is, or -1
     */
    Progress(PrintStream to, boolean terminal, InstantSource time, long totalBytes) {
        this.to = to;
        this.terminal = terminal;
        this.time = time;
        this.totalBytes = totalBytes;
        this.beginMillis = time.millis();
    }

    /** So many bytes are done. */
    void show(long done) {
        if (to == null) {
            return;
        }
        if (terminal) {
            long now = time.millis();
            if (now - shownMillis >= REDRAW_MILLIS) {
                shownMillis = now;
                to.print("\r" + line(done) + "   ");
                to.flush();
            }
            return;
        }
        long step = totalBytes > 0 ? done * 100 / totalBytes / LINE_PERCENT : done / LINE_BYTES;
        if (step != shownStep) {
            shownStep = step;
            to.println(line(done));
        }
    }

    /** All is done. */
    void finish(long done) {
        if (to != null && terminal) {
            to.println("\r" + line(done) + "   ");
        }
    }

    /** It ends early; what is printed next begins a line. */
    void breakOff() {
        if (to != null && terminal && shownMillis > 0) {
            to.println();
        }
    }

    private String line(long done) {
        double seconds = Math.max(1, time.millis() - beginMillis) / 1000.0;
        double rate = done / seconds;
        String speed = "%.0f MB/s".formatted(rate / MB);
        if (totalBytes <= 0) {
            return String.format(Locale.ROOT, "%s, %s", size(done), speed);
        }
        long left = rate > 0 ? (long) Math.ceil((totalBytes - done) / rate) : 0;
        return String.format(
                Locale.ROOT,
                "%3d %% of %s, %s, ETA %02d:%02d:%02d",
                done * 100 / totalBytes,
                size(totalBytes),
                speed,
                left / 3600,
                left / 60 % 60,
                left % 60);
    }

    private static String size(long bytes) {
        return bytes >= 1 << 30
                ? String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1 << 30))
                : String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1 << 20));
    }
}
