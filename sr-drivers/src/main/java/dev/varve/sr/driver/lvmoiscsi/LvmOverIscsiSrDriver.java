// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmoiscsi;

import dev.varve.sr.iscsi.session.LunDetails;
import dev.varve.sr.lvm.GroupDevice;
import dev.varve.sr.lvm.GroupDriver;
import dev.varve.sr.lvm.GroupOptions;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;

import java.util.List;

/**
 * The repository type {@code lvmoiscsi}: a volume group on a LUN of an iSCSI target.
 *
 * <p>While the configuration leaves a choice open, a call fails with what there is to choose from,
 * in the documents that clients know.
 *
 * <p><b>Threads:</b> any.
 */
public final class LvmOverIscsiSrDriver extends GroupDriver {
    /** The driver. */
    public LvmOverIscsiSrDriver() {}

    @Override
    public String type() {
        return "lvmoiscsi";
    }

    @Override
    public String name() {
        return "LVM over iSCSI";
    }

    @Override
    public String description() {
        return "Disks as thin VHD images in a volume group on a LUN of an iSCSI target.";
    }

    @Override
    public List<ConfigKey> configuration() {
        return LvmOverIscsiConfig.KEYS;
    }

    @Override
    public ProbeResult probe(DeviceConfig config, SrContext context) {
        try (IscsiLun lun = choose(config, context, false)) {
            return look(lun, LvmOverIscsiConfig.chosen(config, lun.details().scsiId()));
        }
    }

    @Override
    protected GroupDevice open(DeviceConfig config, SrContext context, boolean writable) {
        return choose(config, context, writable);
    }

    private static IscsiLun choose(DeviceConfig given, SrContext context, boolean writable) {
        LvmOverIscsiConfig config = LvmOverIscsiConfig.of(given, context);
        GroupOptions.of(given);
        TargetSurvey survey = new TargetSurvey(config, context);
        if (given.get(LvmOverIscsiConfig.TARGET_IQN).isEmpty()) {
            throw ErrorCode.CONFIG_TARGET_IQN_MISSING.documented(
                    "the device configuration lacks the key targetIQN; choose one of the targets that %s offers"
                            .formatted(config.place()),
                    survey.document(survey.targets()));
        }
        TargetSurvey.Offer target = survey.target();
        if (config.scsiId().isEmpty() && config.lun().isEmpty()) {
            throw ErrorCode.CONFIG_SCSI_ID_MISSING.documented(
                    "the device configuration lacks the key SCSIid; choose one of the LUNs of %s"
                            .formatted(target.name()),
                    TargetSurvey.lunDocument(survey.luns(target)));
        }
        LunDetails lun = survey.lun(target);
        return IscsiLun.open(config, target, lun, context, writable);
    }
}
