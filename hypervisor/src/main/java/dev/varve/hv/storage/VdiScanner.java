// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Texts;
import dev.varve.hv.xenapi.Values;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskNotes;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.SnapshotMark;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeKind;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * Makes the rows of disks agree with what is on storage, which is right. What storage does not
 * know, such as tags, stays in the row.
 */
final class VdiScanner {
    /** The key of sm_config that says why a disk cannot be used. */
    static final String QUARANTINE = "quarantine";

    /** The type of a disk of which only the log of changed blocks is left. */
    static final String CBT_METADATA = "cbt_metadata";

    private static final String PARENT = "vhd-parent";
    private static final String BASE_COPY = "base copy";

    /** The fields of a row that storage knows. */
    private static final List<String> TOLD_BY_STORAGE =
            List.of(
                    "SR",
                    "name_label",
                    "name_description",
                    "virtual_size",
                    "read_only",
                    "missing",
                    "managed",
                    "parent",
                    "sm_config",
                    "is_a_snapshot",
                    "snapshot_of",
                    "snapshot_time");

    private static final Logger LOG = LoggerFactory.getLogger(VdiScanner.class);

    private final Database database;

    VdiScanner(Database database) {
        this.database = database;
    }

    /**
     * Writes down what is found on storage.
     *
     * @return the disks and inner nodes that cannot be used, and could be or were not known before
     */
    List<VdiInfo> scan(ApiObject sr, AttachedRepository repository, Operation operation) {
        repository.scanning();
        Map<String, ApiObject> before = new HashMap<>();
        database.referring("VDI", "SR", sr.ref()).forEach(row -> before.put(row.ref(), row));
        DiskService disks = repository.session().disks();
        List<VdiInfo> seen = disks.scan(operation);
        Set<String> refs =
                seen.stream().map(info -> OpaqueRef.of(info.uuid())).collect(Collectors.toSet());
        List<VdiInfo> found =
                seen.stream()
                        .map(info -> remembered(disks, repository, before, info))
                        .map(info -> withSource(info, refs))
                        .toList();
        List<VdiInfo> bad = new ArrayList<>();
        database.write(
                batch -> {
                    for (VdiInfo info : found) {
                        String ref = OpaqueRef.of(info.uuid());
                        Optional<ApiObject> known = Optional.ofNullable(before.get(ref));
                        if (holds(repository, info) && isUnchanged(batch, sr, ref, known)) {
                            write(batch, sr, info);
                            if (!isUsable(info) && known.filter(VdiScanner::isBad).isEmpty()) {
                                bad.add(info);
                            }
                        }
                    }
                    for (ApiObject row : before.values()) {
                        if (!refs.contains(row.ref())
                                && repository.untouched(row.uuid())
                                && isUnchanged(batch, sr, row.ref(), Optional.of(row))) {
                            gone(batch, batch.get("VDI", row.ref()));
                        }
                    }
                    return null;
                });
        repository.scanEnded();
        return bad;
    }

    /** Whether what a scan saw of a disk or an inner node is still so. */
    private boolean holds(AttachedRepository repository, VdiInfo info) {
        boolean known = database.find(OpaqueRef.of(info.uuid())).isPresent();
        return repository.untouched(info.uuid().toString())
                && (info.managed() || known || repository.isQuiet());
    }

    /**
     * Whether the row of a disk says about it what it said before the scan began to look: whoever
     * has changed it since knew more. That there was none is a state, too.
     */
    private static boolean isUnchanged(
            Database.Batch batch, ApiObject sr, String ref, Optional<ApiObject> before) {
        Optional<ApiObject> now = batch.find(ref);
        if (now.isEmpty()) {
            return before.isEmpty();
        }
        if (before.isEmpty()) {
            // The same image in another repository is not a change.
            return !now.get().text("SR").equals(sr.ref());
        }
        return TOLD_BY_STORAGE.stream()
                .allMatch(field -> now.get().value(field).equals(before.get().value(field)));
    }

    private static boolean isBad(ApiObject row) {
        return row.map("sm_config").containsKey(QUARANTINE);
    }

    /**
     * Names are kept with the data. A disk whose notes are lost, with a file that somebody removed
     * or a copy that left it out, gets back what is remembered of it, on storage if that can be
     * written.
     */
    private static VdiInfo remembered(
            DiskService disks,
            AttachedRepository repository,
            Map<String, ApiObject> before,
            VdiInfo info) {
        ApiObject row = before.get(OpaqueRef.of(info.uuid()));
        if (row == null
                || !info.hasNoNotes()
                || row.text("name_label").equals(info.label())
                || !repository.untouched(info.uuid().toString())) {
            return info;
        }
        DiskNotes notes = notes(row);
        try {
            VdiInfo now = disks.remember(info.uuid(), notes);
            LOG.warn("the notes of disk {} were lost and are written anew", info.uuid());
            return now;
        } catch (StorageException e) {
            LOG.warn("the notes of disk {} are lost: {}", info.uuid(), e.sentence());
            return info.with(notes);
        }
    }

    private static UUID uuidOf(String ref) {
        return UUID.fromString(ref.substring(ref.indexOf(':') + 1));
    }

    private static DiskNotes notes(ApiObject row) {
        Optional<SnapshotMark> mark = Optional.empty();
        if (row.flag("is_a_snapshot")) {
            String of = row.text("snapshot_of");
            mark =
                    Optional.of(
                            new SnapshotMark(
                                    OpaqueRef.isNull(of)
                                            ? Optional.empty()
                                            : Optional.of(uuidOf(of)),
                                    Values.millis(row.text("snapshot_time"))));
        }
        return new DiskNotes(
                row.text("name_label"), row.text("name_description"), row.flag("read_only"), mark);
    }

    /** A snapshot of a disk that is gone is one of nothing. */
    private VdiInfo withSource(VdiInfo info, Set<String> found) {
        Optional<String> source = info.snapshot().flatMap(SnapshotMark::of).map(OpaqueRef::of);
        if (source.isEmpty()
                || found.contains(source.get())
                || database.find(source.get()).isPresent()) {
            return info;
        }
        SnapshotMark ofNothing =
                new SnapshotMark(Optional.empty(), info.snapshot().get().takenMillis());
        return info.with(
                new DiskNotes(
                        info.label(), info.description(), info.readOnly(), Optional.of(ofNothing)));
    }

    /**
     * Writes the sizes of a repository down. The sizes of disks that users see count as allocated,
     * those of inner nodes do not: nobody can fill an inner node, and what it holds is a part of
     * the disks that rest on it.
     */
    void sizes(ApiObject sr, StoreSpace space) {
        long allocation =
                database.referring("VDI", "SR", sr.ref()).stream()
                        .filter(vdi -> vdi.flag("managed"))
                        .mapToLong(vdi -> vdi.number("virtual_size"))
                        .sum();
        ApiObject now = database.get("SR", sr.ref());
        if (now.number("physical_size") != space.physicalSizeBytes()
                || now.number("physical_utilisation") != space.physicalUsedBytes()
                || now.number("virtual_allocation") != allocation) {
            database.update(
                    "SR",
                    sr.ref(),
                    row ->
                            row.with("physical_size", space.physicalSizeBytes())
                                    .with("physical_utilisation", space.physicalUsedBytes())
                                    .with("virtual_allocation", allocation));
        }
    }

    /** Writes down what storage says about one disk. */
    static void write(Database.Batch batch, ApiObject sr, VdiInfo info) {
        Optional<ApiObject> present = batch.find(OpaqueRef.of(info.uuid()));
        if (present.isPresent() && !present.get().text("SR").equals(sr.ref())) {
            // The same image in two repositories: one was copied. The first one known stays.
            LOG.warn("disk {} is in another repository as well as in {}", info.uuid(), sr.uuid());
            return;
        }
        ApiObject before =
                present.orElseGet(
                        () ->
                                batch.create(
                                        "VDI",
                                        info.uuid(),
                                        Map.of(
                                                "SR", sr.ref(),
                                                "location", info.uuid().toString())));
        ApiObject after = before;
        for (Map.Entry<String, Object> field : fields(before, info).entrySet()) {
            if (!before.value(field.getKey()).equals(field.getValue())) {
                after = after.with(field.getKey(), field.getValue());
            }
        }
        if (after != before) {
            batch.put(after);
        }
    }

    private static Map<String, Object> fields(ApiObject before, VdiInfo info) {
        Map<String, Object> fields = new HashMap<>();
        fields.put("name_label", Texts.fit(label(info)));
        fields.put("name_description", Texts.fit(info.description()));
        fields.put("virtual_size", info.virtualSizeBytes());
        fields.put("physical_utilisation", info.physicalUtilisationBytes());
        fields.put("read_only", info.readOnly());
        fields.put("cbt_enabled", info.cbtEnabled());
        if (info.kind() == VolumeKind.CBT_LOG) {
            fields.put("type", CBT_METADATA);
        }
        fields.put("missing", false);
        fields.put("managed", isUsable(info) && info.managed());
        fields.put("parent", info.parent().map(OpaqueRef::of).orElse(OpaqueRef.NULL));
        fields.put("sm_config", config(before, info));
        addSnapshot(info.snapshot(), fields);
        return fields;
    }

    /** Why a disk cannot be used, if that is so. */
    static Optional<String> reason(VdiInfo info) {
        return info.state() instanceof VdiState.Quarantined bad
                ? Optional.of(bad.reason())
                : Optional.empty();
    }

    private static boolean isUsable(VdiInfo info) {
        return !(info.state() instanceof VdiState.Quarantined);
    }

    /**
     * Inner nodes have the name that clients know for them, not that of the disk they once were.
     */
    private static String label(VdiInfo info) {
        return isUsable(info) && !info.managed() ? BASE_COPY : info.label();
    }

    private static Map<String, String> config(ApiObject before, VdiInfo info) {
        Map<String, String> config = new TreeMap<>(before.map("sm_config"));
        config.remove(QUARANTINE);
        config.remove(PARENT);
        config.putAll(info.smConfig());
        if (info.state() instanceof VdiState.Quarantined bad) {
            config.put(QUARANTINE, bad.reason());
        }
        return config;
    }

    private static void addSnapshot(Optional<SnapshotMark> mark, Map<String, Object> fields) {
        Optional<UUID> source = mark.flatMap(SnapshotMark::of);
        fields.put("is_a_snapshot", mark.isPresent());
        fields.put("snapshot_of", source.map(OpaqueRef::of).orElse(OpaqueRef.NULL));
        fields.put("snapshot_time", Values.time(mark.map(SnapshotMark::takenMillis).orElse(0L)));
    }

    /**
     * A disk that somebody is to use is kept as missing, so that its connections keep their sense.
     */
    private void gone(Database.Batch batch, ApiObject row) {
        if (database.referring("VBD", "VDI", row.ref()).isEmpty()) {
            batch.delete(row.ref());
        } else if (!row.flag("missing")) {
            batch.put(row.with("missing", true));
        }
    }
}
