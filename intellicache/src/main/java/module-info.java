// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The local cache for disks that share a parent image. */
module dev.varve.intellicache {
    requires transitive dev.varve.vdi;
}
