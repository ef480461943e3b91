// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.state;

/** The changes that a watcher asked for are not kept any more: it has to read everything anew. */
public final class RevisionCompactedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final long oldest;

    RevisionCompactedException(long asked, long oldest) {
        super("revision compacted: asked for " + asked + ", the oldest kept is " + oldest);
        this.oldest = oldest;
    }

    /** The oldest revision from which a watch can start now. */
    public long oldest() {
        return oldest;
    }
}
