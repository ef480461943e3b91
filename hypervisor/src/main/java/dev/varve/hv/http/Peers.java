// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import io.netty.channel.Channel;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/**
 * The connections of one listener, so that what they take together stays within its limits.
 *
 * <p><b>Threads:</b> the event loop's only, but for the counters.
 */
final class Peers {
    private final HttpLimits limits;
    private final LinkedHashSet<Channel> all = new LinkedHashSet<>();
    private final LinkedHashSet<Channel> idle = new LinkedHashSet<>();
    private final Map<Channel, Long> gathering = new LinkedHashMap<>();
    private final Map<Channel, Long> answering = new HashMap<>();
    private final Map<Channel, Long> waiting = new LinkedHashMap<>();
    private long gatheredBytes;
    private long waitingBytes;
    private volatile int count;
    private final LongAdder refused = new LongAdder();

    Peers(HttpLimits limits) {
        this.limits = limits;
    }

    HttpLimits limits() {
        return limits;
    }

    /** Takes a new connection; false when there is no room for it. */
    boolean add(Channel channel) {
        if (all.size() >= limits.connections()) {
            refused.increment();
            if (idle.isEmpty()) {
                return false;
            }
            Channel oldest = idle.getFirst();
            remove(oldest);
            var _ = oldest.close();
        }
        all.add(channel);
        idle.add(channel);
        count = all.size();
        return true;
    }

    /** Says that a connection works on a request, and no longer gathers its body. */
    void busy(Channel channel) {
        idle.remove(channel);
        Long bytes = gathering.remove(channel);
        if (bytes != null) {
            answering.put(channel, bytes);
        }
    }

    /**
     * Says that a part of a body has come. When all there are take too much, others that still send
     * make room, the one that began first before the others.
     *
     * @return whether there is room for it
     */
    boolean gathers(Channel channel, int bytes) {
        gathering.merge(channel, (long) bytes, Long::sum);
        gatheredBytes += bytes;
        while (gatheredBytes > limits.gatheredBytes()) {
            Channel slowest = gathering.keySet().iterator().next();
            remove(slowest);
            var _ = slowest.close();
            if (slowest.equals(channel)) {
                return false;
            }
        }
        return true;
    }

    /** Says that the body of a request is not needed any more. */
    void answered(Channel channel) {
        Long gathered = gathering.remove(channel);
        Long bytes = gathered == null ? answering.remove(channel) : gathered;
        if (bytes != null) {
            gatheredBytes -= bytes;
        }
    }

    /** Says that a connection waits for a request. */
    void idle(Channel channel) {
        if (all.contains(channel)) {
            idle.add(channel);
        }
    }

    /** Says that a response begins to wait for its peer. */
    void waits(Channel channel, long bytes) {
        waiting.put(channel, bytes);
        waitingBytes += bytes;
        while (waitingBytes > limits.waitingBytes() && waiting.size() > 1) {
            Channel slowest = waiting.keySet().iterator().next();
            sent(slowest);
            var _ = slowest.close();
        }
    }

    /** Says that a response has left, or never will. */
    void sent(Channel channel) {
        Long bytes = waiting.remove(channel);
        if (bytes != null) {
            waitingBytes -= bytes;
        }
    }

    /** Forgets a connection. */
    void remove(Channel channel) {
        all.remove(channel);
        idle.remove(channel);
        sent(channel);
        if (!answering.containsKey(channel)) {
            answered(channel);
        }
        count = all.size();
    }

    /** How many connections there are; any thread may ask. */
    int count() {
        return count;
    }

    /** How often there was no room; any thread may ask. */
    long refused() {
        return refused.sum();
    }

    /** Ends all connections. */
    void close() {
        for (Channel channel : all.toArray(Channel[]::new)) {
            var _ = channel.close();
        }
    }
}
