// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.random.RandomGenerator;

/**
 * What stands between a host and a medium that is elsewhere: it is restarted now and then and
 * forgets what was not flushed, does not answer while it is down, and replies are lost on the way.
 * What was sent and not answered is sent again, by whoever speaks its protocol.
 *
 * <p>The epoch counts restarts. A host learns of one with the first reply that comes after it.
 *
 * <p><b>Threads:</b> one.
 */
final class SimServer {
    /** None: the medium is in the host. */
    static final SimServer NONE = new SimServer(null, null, 0);

    private static final int MOST_RESTARTS = 24;

    private final SimMachine machine;
    private final RandomGenerator random;
    private final int lostOfThousand;
    private Runnable media = () -> {};
    private long epoch;
    private long upAtNanos;
    private int restarts;

    private SimServer(SimMachine machine, RandomGenerator random, int lostOfThousand) {
        this.machine = machine;
        this.random = random;
        this.lostOfThousand = lostOfThousand;
    }

    /** A server that is up. */
    static SimServer start(SimMachine machine, RandomGenerator random) {
        SimServer server = new SimServer(machine, random, random.nextInt(3) * random.nextInt(20));
        server.epoch = 1;
        return server;
    }

    /**
     * Has it be restarted at some moments.
     *
     * @param all has all media forget what they may
     */
    void restartNowAndThen(Runnable all) {
        media = all;
        planRestart(random.nextInt(MOST_RESTARTS + 1));
    }

    private void planRestart(int rest) {
        if (rest > 0) {
            long nanos = random.nextLong(100_000, random.nextBoolean() ? 3_000_000 : 60_000_000);
            machine.backend()
                    .after(
                            nanos,
                            () -> {
                                restart();
                                planRestart(rest - 1);
                            });
        }
    }

    private void restart() {
        restarts++;
        epoch++;
        long down = random.nextInt(8) == 0 ? 300_000_000 : 3_000_000;
        upAtNanos = machine.clock().nanoTime() + random.nextLong(down);
        media.run();
    }

    /** How often it was restarted. */
    int restarts() {
        return restarts;
    }

    /** The number of the present life of the server; 0 for none. */
    long epoch() {
        return epoch;
    }

    /** How long until it answers again, in nanoseconds. */
    long downNanos() {
        return this == NONE ? 0 : Math.max(0, upAtNanos - machine.clock().nanoTime());
    }

    /** Whether a reply does not arrive. */
    boolean losesReply() {
        return lostOfThousand > 0 && random.nextInt(1000) < lostOfThousand;
    }
}
