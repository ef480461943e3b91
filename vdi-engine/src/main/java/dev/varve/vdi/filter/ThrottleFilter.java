// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.LaneTimer;

import java.util.ArrayDeque;

/**
 * Limits requests and bytes per second. What comes too early waits in order; a burst of a tenth of
 * a second passes.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class ThrottleFilter extends BlockFilter {
    private static final double SECOND = 1e9;
    private static final double BURST_SECONDS = 0.1;

    private final ArrayDeque<BlockRequest> waiting = new ArrayDeque<>();
    private final LaneTimer timer = new LaneTimer(this::pass);
    private final double requestsPerSecond;
    private final double bytesPerSecond;
    private double requestTokens;
    private double byteTokens;
    private long lastNanos = Long.MIN_VALUE;
    private IoContext context;

    /**
     * @param requestsPerSecond at most so many; 0 means no limit
     * @param bytesPerSecond at most so many; 0 means no limit
     */
    public ThrottleFilter(long requestsPerSecond, long bytesPerSecond) {
        this.requestsPerSecond = requestsPerSecond;
        this.bytesPerSecond = bytesPerSecond;
        this.requestTokens = requestsPerSecond * BURST_SECONDS;
        this.byteTokens = bytesPerSecond * BURST_SECONDS;
    }

    @Override
    public void submit(BlockRequest request) {
        context = request.context;
        waiting.add(request);
        if (!timer.isScheduled()) {
            pass();
        }
    }

    private void pass() {
        refill();
        while (!waiting.isEmpty()) {
            if (isShort(requestsPerSecond, requestTokens) || isShort(bytesPerSecond, byteTokens)) {
                double wait =
                        Math.max(
                                missing(requestsPerSecond, requestTokens),
                                missing(bytesPerSecond, byteTokens));
                context.schedule(timer, (long) (wait * SECOND) + 1);
                return;
            }
            BlockRequest request = waiting.poll();
            requestTokens -= 1;
            byteTokens -= request.buffer == null ? 0 : request.length;
            next().submit(request);
        }
    }

    private void refill() {
        long now = context.clock().nanoTime();
        if (lastNanos != Long.MIN_VALUE) {
            double seconds = (now - lastNanos) / SECOND;
            requestTokens = refilled(requestTokens, requestsPerSecond, seconds);
            byteTokens = refilled(byteTokens, bytesPerSecond, seconds);
        }
        lastNanos = now;
    }

    private static double refilled(double tokens, double rate, double seconds) {
        return Math.min(rate * BURST_SECONDS, tokens + rate * seconds);
    }

    /** A request passes while there is anything left and may bring the account below zero. */
    private static boolean isShort(double rate, double tokens) {
        return rate > 0 && tokens <= 0;
    }

    private static double missing(double rate, double tokens) {
        return rate > 0 && tokens <= 0 ? -tokens / rate : 0;
    }
}
