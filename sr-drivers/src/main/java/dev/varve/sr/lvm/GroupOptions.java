// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.vdi.ErrorCode;

import java.util.List;

/**
 * The part of a device configuration that all types of repositories on volume groups have.
 *
 * @param thick whether disks take all of their room at once
 * @param force whether a repository may be made where the device holds something, which is lost
 */
public record GroupOptions(boolean thick, boolean force) {
    private static final String ALLOCATION = "allocation";
    private static final String FORCE = "force";

    /** Its keys. */
    public static final List<ConfigKey> KEYS =
            List.of(
                    new ConfigKey(
                            ALLOCATION,
                            false,
                            "thin: disks take room as they are written; thick: all of it at once,"
                                    + " as the reference does. Only looked at when the repository"
                                    + " is made; thin without it"),
                    new ConfigKey(
                            FORCE,
                            false,
                            "true: make the repository even where the device holds something, which"
                                    + " is lost; only looked at when the repository is made"));

    /** Reads it; fails with SR_INVALID_ARGUMENT for another word. */
    public static GroupOptions of(DeviceConfig config) {
        return new GroupOptions(
                choice(config, ALLOCATION, "thin", "thick"),
                choice(config, FORCE, "false", "true"));
    }

    /** Whether a key has the second of two words; it counts as the first when it is missing. */
    private static boolean choice(DeviceConfig config, String key, String no, String yes) {
        String text = config.get(key).orElse(no);
        if (!text.equals(no) && !text.equals(yes)) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "device-config:%s=%s is neither %s nor %s".formatted(key, text, no, yes));
        }
        return text.equals(yes);
    }
}
