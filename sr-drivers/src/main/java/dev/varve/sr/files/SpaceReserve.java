// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreSpace;

import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * Room of a repository that guests cannot take, so that there is some for commits and for merges
 * when they have taken all other.
 *
 * <p>It is a file, {@code .varve/reserve}, whose content nobody reads and whose space is taken. A
 * guest that writes pays nothing for it. As long as there is room in plenty there is no such file:
 * it is made when less than {@value #FEW} times its size is left, and made anew after it was used.
 * When it is there, its space counts as used.
 *
 * <table>
 * <caption>how large it is</caption>
 * <tr><td>wanted</td><td>a two-hundredth of the file system, at least 64 MiB, at most 1 GiB</td></tr>
 * <tr><td>but</td><td>never more than a sixteenth of the file system</td></tr>
 * </table>
 *
 * <p>Between two looks at the space, which every operation, every growing volume and the daemon
 * each half a minute take, guests may take all that is left; then there is less of it or none.
 *
 * <p><b>Threads:</b> any. Several daemons may use one file: it is only ever made smaller and
 * larger.
 */
final class SpaceReserve {
    private static final long MOST_BYTES = 1L << 30;
    private static final long LEAST_BYTES = 64L << 20;
    private static final int PART = 200;
    private static final int SMALL_PART = 16;
    private static final int FEW = 8;

    /** What one commit takes at a time. */
    private static final long COMMIT_BYTES = 1 << 20;

    private static final int COMMIT_TRIES = 4;

    private final Path root;
    private final Path file;
    private final FileOps ops;

    SpaceReserve(Names names, FileOps ops) {
        this.root = names.root;
        this.file = names.home.resolve("reserve");
        this.ops = ops;
    }

    /** How large it is to be on a file system of a size. */
    static long wantedBytes(long sizeBytes) {
        long wanted = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, sizeBytes / PART));
        return Math.min(wanted, sizeBytes / SMALL_PART);
    }

    /**
     * Keeps room back if it is time to, at most half of what is left.
     *
     * @param space what there is
     * @return whether the space has changed
     */
    synchronized boolean keep(StoreSpace space) {
        long wanted = wantedBytes(space.physicalSizeBytes());
        long kept = keptBytes();
        long missing = wanted - kept;
        if (missing <= 0 || space.freeBytes() >= FEW * wanted) {
            return false;
        }
        long size = kept + Math.min(missing, space.freeBytes() / 2);
        try {
            return size > kept && ops.takeRoom(file, size) > kept;
        } catch (StorageException e) {
            // Read-only, or without room for a file: whoever asked for the space still gets it.
            return false;
        }
    }

    /** Keeps room back if it is time to; what led to this is done and does not fail any more. */
    void keepIfPossible() {
        try {
            keep(ops.space(root));
        } catch (StorageException e) {
            // The file system is away. The next look at the space does it.
            return;
        }
    }

    /**
     * Gives room up.
     *
     * @return how much, 0 when there is none
     */
    synchronized long use(long bytes) {
        long kept = keptBytes();
        return kept == 0 ? 0 : kept - ops.takeRoom(file, Math.max(0, kept - bytes));
    }

    private long keptBytes() {
        return ops.stat(file).map(FileOps.Entry::sizeBytes).orElse(0L);
    }

    /** Does something that may be repeated, with room that was kept back if there is no other. */
    <T> T whenFull(Supplier<T> work) {
        for (int tries = 1; ; tries++) {
            try {
                return work.get();
            } catch (StorageException e) {
                if (e.code() != ErrorCode.SR_NO_SPACE
                        || tries == COMMIT_TRIES
                        || use(COMMIT_BYTES) == 0) {
                    throw e;
                }
            }
        }
    }

    /** The room there is, after some of it was kept back if it is time to. */
    StoreSpace space() {
        StoreSpace space = ops.space(root);
        return keep(space) ? ops.space(root) : space;
    }
}
