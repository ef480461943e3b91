// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.block.IoStatus;

/** The answer of a layer to where some bytes are: a slot that is used again and again. */
public final class Mapping {
    /** What is there. */
    public enum Kind {
        /** Data at {@link Mapping#deviceOffset}. */
        DATA,
        /** Nothing was written; it reads as zero. */
        ZERO,
        /** Nothing was written in this layer; the layer below has it. */
        ABSENT,
        /** The layer has to fetch or make something first; it resumes the request when it has. */
        WAIT,
        /** It cannot be told, for the reason in {@link Mapping#status}. */
        FAILED
    }

    /** What is there. */
    public Kind kind;

    /** Where on the device the data is, in bytes. */
    public long deviceOffset;

    /** Which layer of a chain the data is in, from the bottom; set by the chain. */
    public int layer;

    /**
     * What the layer keeps for a write that was prepared, or null; it goes back to the layer when
     * the write has ended.
     */
    public Object pin;

    /** For how many bytes the answer holds. */
    public long length;

    /** Why there is no answer. */
    public IoStatus status;

    /** An answer that is not set yet. */
    public Mapping() {}

    /** The bytes are on the device. */
    public void data(long newDeviceOffset, long newLength) {
        kind = Kind.DATA;
        pin = null;
        deviceOffset = newDeviceOffset;
        length = newLength;
    }

    /** The bytes are zero. */
    public void zero(long newLength) {
        kind = Kind.ZERO;
        length = newLength;
    }

    /** The layer has nothing there. */
    public void absent(long newLength) {
        kind = Kind.ABSENT;
        length = newLength;
    }

    /** The request is resumed later. */
    public void await() {
        kind = Kind.WAIT;
    }

    /** The request fails. */
    public void failed(IoStatus newStatus) {
        kind = Kind.FAILED;
        status = newStatus;
    }
}
