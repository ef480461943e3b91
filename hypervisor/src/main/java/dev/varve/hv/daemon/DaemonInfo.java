// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

/** What the daemon says about itself. */
public final class DaemonInfo {
    private DaemonInfo() {}

    /** The version, or {@code development} when it does not run from a packaged jar. */
    public static String version() {
        String version = DaemonInfo.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }
}
