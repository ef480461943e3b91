// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/**
 * One way to one logical unit: what SCSI calls an I_T_L nexus.
 *
 * <p><b>Threads:</b> any that may wait; calls block.
 */
public interface ScsiPort {
    /** The unit and the way to it, for messages. */
    String name();

    /**
     * Carries a command out and waits for its end. What passes by itself (UNIT ATTENTION, BUSY) is
     * tried again; every other end is an outcome.
     *
     * @param cdb 16 bytes
     * @param out what goes out with it, perhaps nothing
     * @param room how much may come in, in bytes; 0 when something goes out
     * @throws dev.varve.vdi.StorageException SR_UNAVAILABLE when the unit cannot be reached
     */
    ScsiOutcome execute(byte[] cdb, byte[] out, int room);

    /**
     * Ends all commands of all initiators at the unit (LOGICAL UNIT RESET, SAM-5 7.7). When this
     * returns, none of them is carried out any more. Persistent reservations stay.
     *
     * @throws dev.varve.vdi.StorageException SR_UNAVAILABLE when the unit cannot be reached;
     *     SR_NOT_IMPLEMENTED when it does not do this
     */
    void reset();
}
