// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.vdi.ErrorCode;

import java.util.UUID;

/** UUIDs that users give. */
final class Uuids {
    private Uuids() {}

    static UUID parse(String className, String text) {
        try {
            UUID uuid = UUID.fromString(text);
            // The JDK takes short forms too; only the full one is the name of an object.
            if (uuid.toString().equalsIgnoreCase(text)) {
                return uuid;
            }
        } catch (IllegalArgumentException e) {
            throw ErrorCode.UUID_INVALID.with(className, text);
        }
        throw ErrorCode.UUID_INVALID.with(className, text);
    }
}
