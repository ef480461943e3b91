// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.spi.SrIdentity;
import dev.varve.sr.store.VolumeNotes;
import dev.varve.vdi.disk.DiskAttributes;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** What is kept about disks and repositories here, in the fields of the reference stack. */
final class ManagementFields {
    private static final String IS_A_SNAPSHOT = "is_a_snapshot";
    private static final String SNAPSHOT_OF = "snapshot_of";
    private static final String SNAPSHOT_TIME = "snapshot_time";
    private static final String TYPE = "type";
    private static final String VDI_TYPE = "vdi_type";
    private static final String READ_ONLY = "read_only";
    private static final String MANAGED = "managed";
    private static final String METADATA_OF_POOL = "metadata_of_pool";
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuuMMdd'T'HH:mm:ss'Z'", Locale.ROOT);

    private ManagementFields() {}

    private static String flag(boolean value) {
        return value ? "1" : "0";
    }

    /**
     * The fields of a disk.
     *
     * @param before what the reference stack has said about it; fields that have no counterpart
     *     here stay as they are
     */
    static Map<String, String> of(VolumeId id, VolumeNotes notes, Map<String, String> before) {
        Map<String, String> attributes = notes.attributes();
        Map<String, String> fields = new LinkedHashMap<>();
        boolean snapshot = attributes.containsKey(DiskAttributes.SNAPSHOT_TIME);
        boolean readOnly =
                notes.hidden() || Boolean.parseBoolean(attributes.get(DiskAttributes.READ_ONLY));
        fields.put(ManagementFormat.LABEL, attributes.getOrDefault(DiskAttributes.LABEL, ""));
        fields.put(
                ManagementFormat.DESCRIPTION,
                attributes.getOrDefault(DiskAttributes.DESCRIPTION, ""));
        fields.put(ManagementFormat.UUID_FIELD, id.uuid().toString());
        fields.put(IS_A_SNAPSHOT, flag(snapshot));
        fields.put(
                SNAPSHOT_OF,
                uuid(attributes.getOrDefault(DiskAttributes.SNAPSHOT_OF, ""))
                        .map(UUID::toString)
                        .orElse(""));
        fields.put(SNAPSHOT_TIME, snapshot ? time(attributes) : "");
        fields.put(TYPE, "user");
        fields.put(VDI_TYPE, id.kind() == VolumeKind.RAW ? "aio" : "vhd");
        fields.put(READ_ONLY, flag(readOnly));
        fields.put(MANAGED, flag(!notes.hidden()));
        fields.put(METADATA_OF_POOL, "");
        for (String kept : new String[] {TYPE, METADATA_OF_POOL}) {
            fields.put(kept, before.getOrDefault(kept, fields.get(kept)));
        }
        fields.put(ManagementFormat.DELETED, "0");
        return fields;
    }

    private static String time(Map<String, String> attributes) {
        try {
            Instant taken =
                    Instant.ofEpochMilli(
                            Long.parseLong(attributes.get(DiskAttributes.SNAPSHOT_TIME)));
            return TIME.format(taken.atOffset(ZoneOffset.UTC));
        } catch (NumberFormatException | DateTimeException e) {
            // A value that somebody damaged is no time, in either form.
            return "";
        }
    }

    /** The attributes that the fields of a disk stand for. */
    static Map<String, String> attributes(Map<String, String> fields) {
        Map<String, String> attributes = new HashMap<>();
        attributes.put(DiskAttributes.LABEL, fields.getOrDefault(ManagementFormat.LABEL, ""));
        attributes.put(
                DiskAttributes.DESCRIPTION, fields.getOrDefault(ManagementFormat.DESCRIPTION, ""));
        if (isSet(fields, READ_ONLY)) {
            attributes.put(DiskAttributes.READ_ONLY, "true");
        }
        if (isSet(fields, IS_A_SNAPSHOT)) {
            long taken = millis(fields.getOrDefault(SNAPSHOT_TIME, ""));
            attributes.put(DiskAttributes.SNAPSHOT_TIME, Long.toString(taken));
            uuid(fields.getOrDefault(SNAPSHOT_OF, ""))
                    .ifPresent(of -> attributes.put(DiskAttributes.SNAPSHOT_OF, of.toString()));
        }
        return attributes;
    }

    private static boolean isSet(Map<String, String> fields, String tag) {
        String value = fields.getOrDefault(tag, "0");
        return value.equals("1") || value.equalsIgnoreCase("true");
    }

    private static long millis(String time) {
        try {
            return LocalDateTime.parse(time, TIME).toInstant(ZoneOffset.UTC).toEpochMilli();
        } catch (DateTimeException e) {
            // The reference stack leaves it empty when it does not know.
            return 0;
        }
    }

    /** The attribute that a field of text stands for. */
    static String attribute(String tag) {
        return tag.equals(ManagementFormat.LABEL)
                ? DiskAttributes.LABEL
                : DiskAttributes.DESCRIPTION;
    }

    /** The UUID in a text, if it is one. */
    static Optional<UUID> uuid(String text) {
        try {
            return Optional.of(UUID.fromString(text.strip()));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /** The fields of a repository. */
    static Map<String, String> of(SrIdentity identity, boolean thick) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put(ManagementFormat.UUID_FIELD, identity.uuid().toString());
        fields.put(ManagementFormat.ALLOCATION, thick ? "thick" : "thin");
        fields.put(ManagementFormat.LABEL, identity.label());
        fields.put(ManagementFormat.DESCRIPTION, identity.description());
        return fields;
    }
}
