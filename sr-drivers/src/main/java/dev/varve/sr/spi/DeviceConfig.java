// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** The device configuration of a repository: where it is and how to reach it. */
public record DeviceConfig(Map<String, String> values) {
    /** Copies the map, in the order of the keys. */
    public DeviceConfig {
        values = java.util.Collections.unmodifiableMap(new TreeMap<>(values));
    }

    /** The value of a key, if it is there and not empty. */
    public Optional<String> get(String key) {
        return Optional.ofNullable(values.get(key)).filter(value -> !value.isEmpty());
    }

    /** The value of a key, or the given error when it is missing. */
    public String require(String key, ErrorCode missing) {
        return get(key).orElseThrow(
                        () ->
                                missing.because(
                                        "the device configuration lacks the key "
                                                + key
                                                + "; give device-config:"
                                                + key
                                                + "=..."));
    }

    /** Refuses keys that the driver does not know, naming those that it does. */
    public void refuseUnknown(List<ConfigKey> known) {
        TreeSet<String> names = new TreeSet<>();
        known.forEach(key -> names.add(key.name()));
        for (String key : values.keySet()) {
            if (!names.contains(key)) {
                throw ErrorCode.SR_INVALID_ARGUMENT.because(
                        "unknown key device-config:" + key + "; this type knows " + names);
            }
        }
    }
}
