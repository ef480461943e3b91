// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;

/** The only place where threads are made; every thread has a name. */
public final class Threads {
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

    /** A virtual thread, not yet started. */
    public static Thread virtual(String name, Runnable work) {
        return Thread.ofVirtual().name(name).unstarted(work);
    }

    /** Makes virtual threads called {@code prefix0}, {@code prefix1} and so on. */
    public static ThreadFactory virtualFactory(String prefix) {
        return Thread.ofVirtual().name(prefix, 0).factory();
    }
}
