// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.util.List;

/**
 * A load that fio makes.
 *
 * @param name how the row is called
 * @param rw what fio calls the pattern
 * @param block bytes for each request, as fio writes them
 * @param depth requests in flight
 */
record FioJob(String name, String rw, String block, int depth) {
    static final List<FioJob> ALL =
            List.of(
                    new FioJob("4k read, depth 1", "randread", "4k", 1),
                    new FioJob("4k read, depth 32", "randread", "4k", 32),
                    new FioJob("1m read, depth 8", "read", "1m", 8),
                    new FioJob("4k write, depth 1", "randwrite", "4k", 1),
                    new FioJob("4k write, depth 32", "randwrite", "4k", 32),
                    new FioJob("1m write, depth 8", "write", "1m", 8));

    boolean isWrite() {
        return rw.contains("write");
    }
}
