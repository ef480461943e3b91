// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Block devices, image formats, lanes and the VDI operations over any volume store. */
module dev.varve.vdi {
    requires com.lmax.disruptor;
}
