// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.shared.Ownership;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.UUID;
import java.util.function.Function;

/**
 * A daemon that becomes the owner of a group with the first change that it makes while nobody is. A
 * repository is changed before anything of it is maintained, and where nothing ever is.
 *
 * <p><b>Threads:</b> as {@link Ownership}.
 */
final class OwnerOnDemand implements GroupOwner {
    private final Ownership ownership;
    private final UUID sr;

    OwnerOnDemand(Ownership ownership, UUID sr) {
        this.ownership = ownership;
        this.sr = sr;
    }

    @Override
    public boolean isOwner() {
        return ownership.isOwner();
    }

    @Override
    public long since() {
        return ownership.since();
    }

    @Override
    public void asOwner(Runnable work) {
        if (!ownership.isOwner()) {
            become();
        }
        ownership.asOwner(work);
    }

    private void become() {
        try {
            ownership.become();
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
            throw ErrorCode.LVM_MASTER.because(
                    "another daemon maintains the repository %s: %s".formatted(sr, e.sentence()),
                    e);
        }
    }

    /** Leaves the group to others. */
    void release() {
        ownership.release();
    }

    @Override
    public byte[] ask(byte[] request) {
        return ownership.ask(request);
    }

    @Override
    public void serve(Function<byte[], byte[]> answer) {
        ownership.serve(answer);
    }
}
