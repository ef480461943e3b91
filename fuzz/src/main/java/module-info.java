// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Fuzz targets and the crash simulation of the whole system. */
module dev.varve.fuzz {
    requires transitive dev.varve.vdi;
    requires dev.varve.sr;
    requires dev.varve.hv;

    exports dev.varve.sim;
}
