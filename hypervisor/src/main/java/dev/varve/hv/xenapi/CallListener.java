// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

/**
 * Told of every call when it has ended; of one that goes on as a task, when it has begun.
 *
 * <p><b>Threads:</b> those of the callers.
 */
public interface CallListener {
    /** The class of a call to a method that there is not. */
    String UNKNOWN_CLASS = "unknown";

    /** How a call ended. */
    enum Outcome {
        /** With a result. */
        OK,
        /** With an error that the API has a name for. */
        REFUSED,
        /** With an internal error, which is a defect. */
        FAILED
    }

    /**
     * A call has ended.
     *
     * @param className the class of the method; one of the schema, or {@link #UNKNOWN_CLASS}
     * @param nanos how long the call took
     */
    void called(String className, Outcome outcome, long nanos);
}
