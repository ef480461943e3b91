// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import java.util.List;
import java.util.UUID;
import java.util.function.LongConsumer;

/**
 * Who uses which disk, written in the repository itself so that every host can see it.
 *
 * <p>A claim for writing excludes all others; claims for reading exclude only that one.
 */
public interface Claims {
    /** How a disk is used. */
    enum Mode {
        READ,
        WRITE
    }

    /**
     * One host's use of one disk.
     *
     * @param epoch grows with every claim on the disk, so that a late writer can be told from the
     *     present one
     */
    record Claim(UUID vdi, UUID host, Mode mode, long epoch) {}

    /**
     * Claims a disk for this host. A claim that this host left behind in a crash is taken over.
     *
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE, naming the holder
     */
    Claim acquire(UUID vdi, Mode mode);

    /** Gives a claim up. That it is gone already is not an error. */
    void release(Claim claim);

    /** All claims on a disk. */
    List<Claim> holders(UUID vdi);

    /**
     * The epoch of the last claim that another daemon took in this repository, on whatever disk; 0
     * when there was none. While it stays the same and {@link #othersHave()} is false, nobody else
     * has changed anything for which a claim is needed.
     */
    long othersEpoch();

    /** Whether another daemon that may be alive has a claim in this repository now. */
    boolean othersHave();

    /**
     * Does something while no other daemon has a claim in this repository or can take one. The work
     * is given {@link #othersEpoch()}, does not use the claims itself, and does not take long.
     *
     * @return false when another daemon has a claim, and nothing was done
     */
    boolean alone(LongConsumer work);
}
