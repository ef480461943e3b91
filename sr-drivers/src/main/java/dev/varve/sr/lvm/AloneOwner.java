// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.ErrorCode;

import java.util.function.Function;

/** The only daemon there is. */
final class AloneOwner implements GroupOwner {
    static final AloneOwner INSTANCE = new AloneOwner();

    private AloneOwner() {}

    @Override
    public boolean isOwner() {
        return true;
    }

    @Override
    public void asOwner(Runnable work) {
        work.run();
    }

    @Override
    public byte[] ask(byte[] request) {
        throw ErrorCode.LVM_MASTER.because("there is no other host to ask");
    }

    @Override
    public void serve(Function<byte[], byte[]> answer) {
        // Nobody asks.
    }

    @Override
    public boolean isAlone() {
        return true;
    }
}
