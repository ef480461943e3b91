// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.time.Clock;

import java.util.concurrent.TimeUnit;

/** Runs the simulations with one seed after the other: {@code varve fuzz sim}. */
public final class SimulationMain {
    private static final String USAGE = "usage: varve fuzz sim [--seed N] [--minutes M]";
    private static final int MOST_FAILURES = 20;

    private final Clock clock = Clock.system();
    private final SimulationSummary summary = new SimulationSummary();
    private long seed = clock.epochMillis();
    private long minutes = 10;
    private int printed;

    private SimulationMain() {}

    /**
     * Runs them. Ends with 1 when something was found, with 2 when it does not understand what it
     * is to do.
     *
     * @param arguments the options
     */
    public static void main(String[] arguments) {
        SimulationMain run = new SimulationMain();
        if (!run.understands(arguments)) {
            System.err.println(USAGE);
            System.exit(2);
        }
        run.run();
        System.exit(run.summary.failures().isEmpty() ? 0 : 1);
    }

    private boolean understands(String... arguments) {
        if (arguments.length % 2 != 0) {
            return false;
        }
        try {
            for (int i = 0; i < arguments.length; i += 2) {
                long value = Long.parseLong(arguments[i + 1]);
                switch (arguments[i]) {
                    case "--seed" -> seed = value;
                    case "--minutes" -> minutes = value;
                    default -> {
                        return false;
                    }
                }
            }
        } catch (NumberFormatException e) {
            return false;
        }
        return minutes > 0;
    }

    private void run() {
        long end = clock.nanoTime() + TimeUnit.MINUTES.toNanos(minutes);
        long nextReport = clock.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        System.out.printf("simulating for %d minutes, from seed %d on%n", minutes, seed);
        long at = seed;
        while (clock.nanoTime() < end && summary.failures().size() < MOST_FAILURES) {
            summary.runDisk(new Seed(at));
            summary.runTrees(new Seed(at));
            at++;
            printFailures();
            if (clock.nanoTime() >= nextReport) {
                nextReport += TimeUnit.MINUTES.toNanos(1);
                System.out.printf("seeds %d to %d are done%n", seed, at - 1);
            }
        }
        summary.lines().forEach(System.out::println);
    }

    private void printFailures() {
        for (; printed < summary.failures().size(); printed++) {
            System.out.printf("%n%s%n%n", summary.failures().get(printed));
        }
    }
}
