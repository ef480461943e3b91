// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.Locale;
import java.util.UUID;

/** References to objects, as clients see them: {@code OpaqueRef:} and the UUID of the object. */
public final class OpaqueRef {
    /** The reference to nothing. */
    public static final String NULL = "OpaqueRef:NULL";

    private static final String PREFIX = "OpaqueRef:";

    private OpaqueRef() {}

    /** The reference to the object of this UUID. */
    public static String of(UUID uuid) {
        return PREFIX + uuid;
    }

    /** The reference to the object of a UUID that somebody typed. */
    public static String ofText(String uuid) {
        return PREFIX + uuid.toLowerCase(Locale.ROOT);
    }

    /** Whether it refers to nothing; clients also send the empty string for that. */
    public static boolean isNull(String ref) {
        return ref.isEmpty() || ref.equals(NULL);
    }
}
