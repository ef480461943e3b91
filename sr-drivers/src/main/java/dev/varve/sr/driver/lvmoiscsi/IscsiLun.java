// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmoiscsi;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.lane.LunMedium;
import dev.varve.sr.iscsi.lane.LunSettings;
import dev.varve.sr.iscsi.lane.PathState;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.iscsi.session.LunDetails;
import dev.varve.sr.lvm.GroupDevice;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.Waiting;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A LUN of an iSCSI target.
 *
 * <p><b>Threads:</b> any.
 */
final class IscsiLun implements GroupDevice {
    private final LunMedium medium;
    private final TargetSurvey.Offer target;
    private final LunDetails details;

    private IscsiLun(LunMedium medium, TargetSurvey.Offer target, LunDetails details) {
        this.medium = medium;
        this.target = target;
        this.details = details;
    }

    static IscsiLun open(
            LvmOverIscsiConfig config,
            TargetSurvey.Offer target,
            LunDetails details,
            SrContext context,
            boolean writable) {
        if (details.scsiId().isEmpty()) {
            throw ErrorCode.CONFIG_LUN_SERIAL_MISSING.because(
                    "LUN %d of %s says nothing by which it could be told from others; give it an identifier on the target"
                            .formatted(details.lun(), target.name()));
        }
        SessionSpec spec =
                SessionSpec.of(
                        config.initiator(),
                        target.name(),
                        Isid.random(context.random()),
                        target.portals().getFirst(),
                        config.chap());
        LunMedium medium =
                LunMedium.open(
                        spec,
                        target.portals(),
                        details.lun(),
                        true,
                        LunSettings.DEFAULT,
                        new Connector(context.random()),
                        context.clock(),
                        Waiting.threads());
        IscsiLun lun = new IscsiLun(medium, target, details);
        if (writable && !medium.isWritable()) {
            lun.close();
            throw ErrorCode.SR_NOT_WRITABLE.because(
                    medium.name() + " is write-protected on the target");
        }
        return lun;
    }

    LunDetails details() {
        return details;
    }

    @Override
    public BlockMedium medium() {
        return medium;
    }

    /** The name that links to such a LUN have on hosts whose kernel logs in. */
    @Override
    public String place() {
        return "/dev/disk/by-id/scsi-" + details.scsiId();
    }

    @Override
    public boolean isShared() {
        return true;
    }

    @Override
    public Map<String, String> properties() {
        Map<String, String> properties = new TreeMap<>();
        properties.put("target", target.portals().getFirst().host());
        properties.put("targetIQN", target.name().value());
        properties.put("devserial", "scsi-" + details.scsiId());
        properties.put("multipathable", "true");
        return properties;
    }

    @Override
    public List<PathHealth> paths() {
        return medium.paths().stream()
                .map(
                        path ->
                                new PathHealth(
                                        details.scsiId(),
                                        path.portal().toString(),
                                        path.state() == PathState.UP,
                                        path.errors(),
                                        path.lastError()))
                .toList();
    }
}
