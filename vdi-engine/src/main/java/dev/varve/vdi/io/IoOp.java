// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.io;

import dev.varve.vdi.Invariant;

/**
 * One operation on a file or a socket, handed to an {@link IoBackend}. It is made once and used
 * again and again; between submission and completion it belongs to the backend, as does the memory
 * it names.
 */
public final class IoOp {
    /** What to do. */
    public enum Kind {
        /** Read from a file position. */
        READ,
        /** Write at a file position. */
        WRITE,
        /** Write at a file position and make it durable. */
        WRITE_DURABLE,
        /** Make all completed writes of a file durable. */
        SYNC,
        /** Free a range of a file; it reads as zero afterwards. */
        PUNCH_HOLE,
        /** Make a range of a file read as zero and keep its space. */
        ZERO_RANGE,
        /** Receive what a socket has, at least one byte. */
        RECEIVE,
        /** Complete when a socket can be read. */
        POLL_READABLE,
        /** Complete when a socket can be written. */
        POLL_WRITABLE
    }

    /** Called on the lane's thread when the operation is over. */
    @FunctionalInterface
    public interface Completion {
        /**
         * @param op the operation, free for use again
         * @param result bytes transferred, or {@code -errno}
         */
        void completed(IoOp op, int result);
    }

    /** What to do. */
    public Kind kind;

    /** The file, for operations on files. */
    public IoFile file;

    /** The socket, for operations on sockets. */
    public int socket;

    /** Native address of the memory to transfer. */
    public long address;

    /** Bytes to transfer or to change. */
    public long length;

    /** Position in the file. */
    public long offset;

    /** Whom to tell. */
    public Completion completion;

    /** For the owner: what the operation was for. */
    public final Object owner;

    /** For the backend: a link to the next operation of a list. */
    IoOp next;

    /** For the backend: the outcome on its way to the lane. */
    int result;

    /** For the backend: its number while it is in flight. */
    int slot;

    private boolean inFlight;
    private int outcome;

    /**
     * @param owner what {@link #owner} gives back to the completion
     */
    public IoOp(Object owner) {
        this.owner = owner;
    }

    /** Whether a backend has it. */
    public boolean isInFlight() {
        return inFlight;
    }

    /** For the backend: it has the operation now. */
    public void begin() {
        Invariant.check(!inFlight, "an operation in flight is submitted again");
        inFlight = true;
    }

    /**
     * For the backend: the operation is over.
     *
     * @param newOutcome bytes transferred, or {@code -errno}
     */
    public void complete(int newOutcome) {
        inFlight = false;
        outcome = newOutcome;
        completion.completed(this, newOutcome);
    }

    /** How it ended last: bytes transferred, or {@code -errno}. */
    public int outcome() {
        return outcome;
    }
}
