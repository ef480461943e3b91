// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.file.Path;

/**
 * A SCSI disk as the kernel has it: one path to a LUN.
 *
 * <p><b>Threads:</b> any.
 *
 * @param name such as {@code sda}
 * @param node its device node
 * @param number {@code major:minor}
 * @param address where it is: host, channel, target and LUN
 * @param scsiId the name of the LUN, the same over all paths, as {@code scsi_id -g} prints it;
 *     empty when it has none
 * @param serial of the unit; empty when it does not tell
 * @param sizeBytes how large it is
 * @param blockBytes its logical block
 * @param state as the kernel has it: {@code running}, {@code offline}, {@code blocked}, ...
 * @param access how well this path reaches it, as an array with unequal controllers tells: {@code
 *     active/optimized} and so on; empty when the array does not
 * @param readOnly whether it refuses writes
 * @param cached whether what was written and not flushed may be in a cache of the disk that does
 *     not outlive its power; also true when the kernel does not say
 */
public record ScsiDisk(
        String name,
        Path node,
        String number,
        Address address,
        String scsiId,
        String vendor,
        String model,
        String revision,
        String serial,
        long sizeBytes,
        int blockBytes,
        String state,
        String access,
        boolean readOnly,
        boolean cached) {
    /** Where a disk is. */
    public record Address(int host, int channel, int target, long lun) {
        @Override
        public String toString() {
            return host + ":" + channel + ":" + target + ":" + lun;
        }
    }

    /** Whether the kernel sends it commands. */
    public boolean isRunning() {
        return state.equals("running");
    }
}
