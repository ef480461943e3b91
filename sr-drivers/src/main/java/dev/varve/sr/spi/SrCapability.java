// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

/** What a driver declares that it can do, by the names that clients know. */
public enum SrCapability {
    SR_PROBE,
    SR_UPDATE,
    SR_STATS,
    SR_SCAN,
    SR_SUPPORTS_LOCAL_CACHING,
    VDI_CREATE,
    VDI_DELETE,
    VDI_ATTACH,
    VDI_DETACH,
    VDI_ACTIVATE,
    VDI_DEACTIVATE,
    VDI_UPDATE,
    VDI_INTRODUCE,
    VDI_RESIZE,
    VDI_RESIZE_ONLINE,
    VDI_CLONE,
    VDI_SNAPSHOT,
    VDI_REVERT,
    VDI_MIRROR,
    VDI_CONFIG_CBT,
    VDI_GENERATE_CONFIG,
    VDI_READ_CACHING,
    THIN_PROVISIONING,
    ATOMIC_PAUSE
}
