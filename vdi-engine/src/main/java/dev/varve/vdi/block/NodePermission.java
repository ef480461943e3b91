// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/** What a user of a device does with it, or lets others do. */
public enum NodePermission {
    /** It reads what is there. */
    READ,
    /** It changes what is there. */
    WRITE,
    /** It changes the size. */
    RESIZE
}
