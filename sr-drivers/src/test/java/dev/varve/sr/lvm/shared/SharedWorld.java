// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Semaphore;

/**
 * One device and several hosts, of which one does one step at a time, whichever chance takes: a
 * read or a write of a piece of the device. Between two steps a host may stand still for longer
 * than a term, or crash. Time is simulated, and everything follows from the seed.
 */
final class SharedWorld implements Clock {
    /** Goes through a host when it crashes, whatever it is doing. */
    static final class Crash extends Error {
        private static final long serialVersionUID = 1;

        Crash() {
            super("crash", null, false, false);
        }
    }

    /** What one host does, on a thread that only runs when it is its turn. */
    final class Fiber {
        private final Semaphore turn = new Semaphore(0);
        private final Thread thread;
        private long wakeAt;
        private boolean crashed;
        private boolean over;

        /** While it is set, the host does not stand still for long. */
        boolean hasty;

        Fiber(String name, Runnable work) {
            thread = Threads.virtual(name, () -> run(work));
        }

        private void run(Runnable work) {
            turn.acquireUninterruptibly();
            try {
                if (!crashed) {
                    work.run();
                }
            } catch (Crash e) {
                crashed = true;
            } catch (RuntimeException | Error e) {
                failure = e;
            } finally {
                over = true;
                back.release();
            }
        }

        boolean isCrashed() {
            return crashed;
        }

        /** Lets others go on; comes back not before so many nanoseconds have passed. */
        void step(long nanos) {
            crashed |= random.nextInt(2000) == 0;
            if (crashed) {
                throw new Crash();
            }
            wakeAt = now + nanos + pause();
            back.release();
            turn.acquireUninterruptibly();
            if (crashed) {
                throw new Crash();
            }
        }

        private long pause() {
            if (hasty || random.nextInt(200) != 0) {
                return 0;
            }
            return random.nextLong(2 * settings.termNanos());
        }

        void crash() {
            crashed = true;
        }
    }

    final Random random;
    final ClaimSettings settings;
    final List<Fiber> fibers = new ArrayList<>();
    private final Semaphore back = new Semaphore(0);
    private final Semaphore done = new Semaphore(0);
    private long now;
    private Throwable failure;

    SharedWorld(long seed, ClaimSettings settings) {
        this.random = new Random(seed);
        this.settings = settings;
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public long epochMillis() {
        return now / 1_000_000;
    }

    Fiber start(String name, Runnable work) {
        Fiber fiber = new Fiber(name, work);
        fiber.wakeAt = now + random.nextInt(10_000_000);
        fibers.add(fiber);
        fiber.thread.start();
        return fiber;
    }

    /** Goes on for so many steps, and checks after each. */
    void run(int steps, Runnable check) {
        // A turn is handed over much faster between virtual threads.
        Threads.virtual("world", () -> runHere(steps, check)).start();
        done.acquireUninterruptibly();
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }

    private void runHere(int steps, Runnable check) {
        try {
            go(steps, check);
        } catch (RuntimeException | Error e) {
            failure = e;
        } finally {
            done.release();
        }
    }

    private void go(int steps, Runnable check) {
        for (int i = 0; i < steps && failure == null; i++) {
            step(choose());
            fibers.removeIf(fiber -> fiber.over);
            if (failure == null) {
                check.run();
            }
        }
        end();
    }

    private Fiber choose() {
        now += random.nextInt(300_000);
        List<Fiber> ready = fibers.stream().filter(fiber -> fiber.wakeAt <= now).toList();
        if (ready.isEmpty()) {
            now = fibers.stream().mapToLong(fiber -> fiber.wakeAt).min().orElseThrow();
            ready = fibers.stream().filter(fiber -> fiber.wakeAt <= now).toList();
        }
        return ready.get(random.nextInt(ready.size()));
    }

    private void step(Fiber fiber) {
        fiber.turn.release();
        back.acquireUninterruptibly();
    }

    private void end() {
        for (Fiber fiber : List.copyOf(fibers)) {
            fiber.crash();
            step(fiber);
        }
    }
}
