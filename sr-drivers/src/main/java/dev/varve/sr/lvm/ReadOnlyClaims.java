// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.UUID;
import java.util.function.LongConsumer;

/**
 * Claims in a group that can only be read: everybody may read, and nobody may write, so there is
 * nothing to write down.
 *
 * <p><b>Threads:</b> any.
 */
final class ReadOnlyClaims implements Claims {
    static final ReadOnlyClaims INSTANCE = new ReadOnlyClaims();

    private static final UUID NOBODY = new UUID(0, 0);

    private ReadOnlyClaims() {}

    @Override
    public Claim acquire(UUID vdi, Mode mode) {
        if (mode == Mode.WRITE) {
            throw ErrorCode.SR_NOT_WRITABLE.because(
                    "the repository is attached for reading only; nothing in it can be written");
        }
        return new Claim(vdi, NOBODY, mode, 0);
    }

    @Override
    public void release(Claim claim) {
        // It was not written down.
    }

    @Override
    public List<Claim> holders(UUID vdi) {
        return List.of();
    }

    @Override
    public long othersEpoch() {
        return 0;
    }

    @Override
    public boolean othersHave() {
        return false;
    }

    @Override
    public boolean alone(LongConsumer work) {
        return false;
    }
}
