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

    /** For how many bytes the answer holds. */
    public long length;

    /** Why there is no answer. */
    public IoStatus status;

    /** An answer that is not set yet. */
    public Mapping() {}

    /** The bytes are on the device. */
    public void data(long newDeviceOffset, long newLength) {
        kind = Kind.DATA;
        deviceOffset = newDeviceOffset;
        length = newLength;
    }

    /** The bytes are zero. */
    public void zero(long newLength) {
        kind = Kind.ZERO;
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
