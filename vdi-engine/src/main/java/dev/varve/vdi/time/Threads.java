// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The only place where threads are made; every thread has a name. */
public final class Threads {
    private static final long IDLE_SECONDS = 30;

    private Threads() {}

    /** A platform thread, not yet started, that does not keep the process alive. */
    public static Thread platform(String name, Runnable work) {
        return Thread.ofPlatform().name(name).daemon(true).unstarted(work);
    }

    /** Makes platform threads called {@code prefix0}, {@code prefix1} and so on. */
    public static ThreadFactory platformFactory(String prefix) {
        return Thread.ofPlatform().name(prefix, 0).daemon(true).factory();
    }

    /** Platform threads for work that blocks, made as they are needed and kept for a while. */
    public static ExecutorService blockingPool(String prefix) {
        return Executors.newCachedThreadPool(platformFactory(prefix));
    }

    /**
     * At most so many platform threads for work that only computes; what comes beyond waits its
     * turn. Threads without work end after a while.
     */
    public static ExecutorService computePool(String prefix, int size) {
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(
                        size,
                        size,
                        IDLE_SECONDS,
                        TimeUnit.SECONDS,
                        new LinkedBlockingQueue<>(),
                        platformFactory(prefix));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    /** A virtual thread, not yet started. */
    public static Thread virtual(String name, Runnable work) {
        return Thread.ofVirtual().name(name).unstarted(work);
    }

    /** Makes virtual threads called {@code prefix0}, {@code prefix1} and so on. */
    public static ThreadFactory virtualFactory(String prefix) {
        return Thread.ofVirtual().name(prefix, 0).factory();
    }
}
