// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

final class ThreadWaiting implements Waiting {
    static final ThreadWaiting INSTANCE = new ThreadWaiting();

    private ThreadWaiting() {}

    @Override
    public <T> T await(CompletableFuture<T> done, long nanos)
            throws InterruptedException, ExecutionException, TimeoutException {
        return done.get(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public <T> T join(CompletableFuture<T> done) {
        return done.join();
    }

    @Override
    public void start(String name, Runnable work) {
        Threads.virtual(name, work).start();
    }
}
