// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.spi.SrIdentity;

import java.util.Map;

/** One thing that an entry of the {@link AttributeLog} says. What an earlier one said is void. */
sealed interface AttributeRecord {
    /** The attributes of a logical volume; an empty map says that it has none. */
    record OfVolume(LvmId volume, Map<String, String> attributes) implements AttributeRecord {
        public OfVolume {
            attributes = Map.copyOf(attributes);
        }
    }

    /** The identity of the repository. */
    record OfRepository(SrIdentity identity) implements AttributeRecord {}

    /**
     * The checksum of the management volume when the repository was let go of; a reader that finds
     * another one knows that somebody else has written it since.
     */
    record OfManagement(int checksum) implements AttributeRecord {}
}
