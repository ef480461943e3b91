// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The storage repository driver interface and the drivers that implement it. */
@SuppressWarnings("module") // the module of the fuzz targets is built after this one
module dev.varve.sr {
    requires transitive dev.varve.vdi;
    requires com.fasterxml.jackson.databind;
    requires commons; // the codec of jSCSI, which names no module and takes that of its jar
    requires org.apache.commons.io;
    requires org.slf4j; // for that codec

    exports dev.varve.sr.block to
            dev.varve.fuzz;
    exports dev.varve.sr.lvm.meta to
            dev.varve.fuzz;
    exports dev.varve.sr.spi;
    exports dev.varve.sr.iscsi.login to
            dev.varve.fuzz;
    exports dev.varve.sr.iscsi.pdu to
            dev.varve.fuzz;
    exports dev.varve.sr.scsi to
            dev.varve.fuzz;

    uses dev.varve.sr.spi.SrDriver;

    provides dev.varve.sr.spi.SrDriver with
            dev.varve.sr.driver.ext.ExtSrDriver,
            dev.varve.sr.driver.file.FileSrDriver,
            dev.varve.sr.driver.lvm.LvmSrDriver,
            dev.varve.sr.driver.lvmohba.LvmOverHbaSrDriver,
            dev.varve.sr.driver.lvmoiscsi.LvmOverIscsiSrDriver;
}
