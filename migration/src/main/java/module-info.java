// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Live VDI moves and Storage XenMotion. */
module dev.varve.migration {
    requires transitive dev.varve.vdi;
    requires transitive dev.varve.sr;
}
