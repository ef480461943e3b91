// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.GroupDevice;
import dev.varve.sr.multipath.MultipathMedium;
import dev.varve.sr.spi.PathHealth;

import java.util.List;
import java.util.Map;

/**
 * A LUN behind adapters of this host, open over its paths.
 *
 * <p><b>Threads:</b> any.
 *
 * @param luns where it was found
 * @param scsiId its name
 * @param place a node or a link that leads to it
 * @param open the LUN
 */
record HbaLun(HbaLuns luns, String scsiId, String place, MultipathMedium open)
        implements GroupDevice {
    @Override
    public BlockMedium medium() {
        return open;
    }

    /** A storage network shows a LUN to several hosts, and nobody can tell whether it does. */
    @Override
    public boolean isShared() {
        return true;
    }

    @Override
    public Map<String, String> properties() {
        return Map.of("SCSIid", scsiId, "devserial", "scsi-" + scsiId, "multipathable", "true");
    }

    @Override
    public List<PathHealth> paths() {
        return luns.health(scsiId, open);
    }
}
