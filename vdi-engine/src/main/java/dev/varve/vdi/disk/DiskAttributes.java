// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * What is kept about a disk in the attributes of its volume.
 *
 * <table>
 * <caption>attributes</caption>
 * <tr><th>name</th><th>value</th></tr>
 * <tr><td>{@code name-label}</td><td>its name</td></tr>
 * <tr><td>{@code name-description}</td><td>its description</td></tr>
 * <tr><td>{@code read-only}</td><td>{@code true} when it may only be read</td></tr>
 * <tr><td>{@code snapshot-time}</td><td>for a snapshot, when it was taken: milliseconds since
 * 1970</td></tr>
 * <tr><td>{@code snapshot-of}</td><td>for a snapshot, the UUID of the disk that it was taken
 * of</td></tr>
 * <tr><td>{@code allocation}</td><td>{@code thick} when it has all its room from the start: see {@link
 * Allocation}</td></tr>
 * </table>
 */
public final class DiskAttributes {
    /** Its name. */
    public static final String LABEL = "name-label";

    /** Its description. */
    public static final String DESCRIPTION = "name-description";

    /** What inner nodes are called, as by the reference stack. */
    static final String BASE_COPY = "base copy";

    /** Whether it may only be read. */
    public static final String READ_ONLY = "read-only";

    /** When a snapshot was taken. */
    public static final String SNAPSHOT_TIME = "snapshot-time";

    /** Which disk a snapshot was taken of. */
    public static final String SNAPSHOT_OF = "snapshot-of";

    private DiskAttributes() {}

    static Map<String, String> of(VdiSpec spec) {
        Map<String, String> attributes = new HashMap<>();
        attributes.put(LABEL, spec.label());
        attributes.put(DESCRIPTION, spec.description());
        attributes.put(READ_ONLY, Boolean.toString(spec.readOnly()));
        if (spec.thick()) {
            attributes.put(Allocation.ATTRIBUTE, Allocation.THICK);
        }
        return attributes;
    }

    static Map<String, String> of(DiskNotes notes) {
        Map<String, String> attributes = new HashMap<>();
        attributes.put(LABEL, notes.label());
        attributes.put(DESCRIPTION, notes.description());
        attributes.put(READ_ONLY, Boolean.toString(notes.readOnly()));
        notes.snapshot()
                .ifPresent(
                        mark -> {
                            attributes.put(SNAPSHOT_TIME, Long.toString(mark.takenMillis()));
                            mark.of().ifPresent(of -> attributes.put(SNAPSHOT_OF, of.toString()));
                        });
        return attributes;
    }

    static Map<String, String> ofBaseCopy() {
        return Map.of(LABEL, BASE_COPY);
    }

    /** Those of a copy that is no snapshot and may be written. */
    static Map<String, String> ofClone(Map<String, String> source) {
        Map<String, String> attributes = new HashMap<>(source);
        attributes.remove(SNAPSHOT_TIME);
        attributes.remove(SNAPSHOT_OF);
        attributes.remove(READ_ONLY);
        return attributes;
    }

    static Map<String, String> ofSnapshot(Map<String, String> source, UUID of, long takenMillis) {
        Map<String, String> attributes = ofClone(source);
        attributes.put(SNAPSHOT_TIME, Long.toString(takenMillis));
        attributes.put(SNAPSHOT_OF, of.toString());
        return attributes;
    }

    static boolean isReadOnly(Map<String, String> attributes) {
        return Boolean.parseBoolean(attributes.get(READ_ONLY));
    }

    /** What makes it a snapshot; values that somebody damaged make none. */
    static Optional<SnapshotMark> snapshot(Map<String, String> attributes) {
        try {
            String time = attributes.get(SNAPSHOT_TIME);
            String of = attributes.get(SNAPSHOT_OF);
            return time == null
                    ? Optional.empty()
                    : Optional.of(
                            new SnapshotMark(
                                    Optional.ofNullable(of).map(UUID::fromString),
                                    Long.parseLong(time)));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
