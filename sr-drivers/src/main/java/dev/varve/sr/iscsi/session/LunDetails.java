// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import dev.varve.sr.scsi.Capacity;
import dev.varve.sr.scsi.InquiryData;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.ScsiId;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.UnitInquiry;

import java.util.ArrayList;
import java.util.List;

/**
 * What there is to know of a LUN before it is used.
 *
 * @param lun its number
 * @param vendor who made it
 * @param product what they call it
 * @param serial its serial number, or empty
 * @param sizeBytes how large it is
 * @param blockBytes how large its blocks are
 * @param scsiId the name by which it is known on all paths and hosts, or empty
 */
public record LunDetails(
        int lun,
        String vendor,
        String product,
        String serial,
        long sizeBytes,
        int blockBytes,
        String scsiId) {
    /** Those of all LUNs of a target that are disks, by number. */
    public static List<LunDetails> ofTarget(ControlSession session) {
        List<LunDetails> found = new ArrayList<>();
        for (long lun : session.luns()) {
            if (Lun.number(lun) < 0) {
                continue; // a form that no disk behind iSCSI has
            }
            UnitInquiry unit = new UnitInquiry(session.port(lun));
            InquiryData inquiry = unit.inquiry();
            if (inquiry.isDisk()) {
                found.add(of(Lun.number(lun), inquiry, unit));
            }
        }
        found.sort(java.util.Comparator.comparingInt(LunDetails::lun));
        return found;
    }

    /** Those of one unit. */
    public static LunDetails of(int lun, ScsiPort port) {
        UnitInquiry unit = new UnitInquiry(port);
        return of(lun, unit.inquiry(), unit);
    }

    private static LunDetails of(int lun, InquiryData inquiry, UnitInquiry unit) {
        Capacity capacity = unit.capacity();
        String serial = unit.serial();
        return new LunDetails(
                lun,
                inquiry.vendor(),
                inquiry.product(),
                serial,
                capacity.bytes(),
                capacity.blockBytes(),
                ScsiId.of(inquiry, unit.designators(), serial).orElse(""));
    }
}
