// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Block devices, image formats, lanes and the VDI operations over any volume store. */
module dev.varve.vdi {
    requires com.lmax.disruptor;

    exports dev.varve.vdi;
    exports dev.varve.vdi.block;
    exports dev.varve.vdi.cbt;
    exports dev.varve.vdi.engine;
    exports dev.varve.vdi.ffi;
    exports dev.varve.vdi.filter;
    exports dev.varve.vdi.image;
    exports dev.varve.vdi.io;
    exports dev.varve.vdi.disk;
    exports dev.varve.vdi.raw;
    exports dev.varve.vdi.store;
    exports dev.varve.vdi.time;
    exports dev.varve.vdi.transfer;
    exports dev.varve.vdi.vhd;
}
