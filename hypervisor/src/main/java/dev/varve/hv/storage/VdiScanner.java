// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Texts;
import dev.varve.hv.xenapi.Values;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.SnapshotMark;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeKind;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

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
    private static final Logger LOG = LoggerFactory.getLogger(VdiScanner.class);

    private final Database database;

    VdiScanner(Database database) {
        this.database = database;
    }

    void scan(ApiObject sr, AttachedRepository repository, Operation operation) {
        repository.scanning();
        List<VdiInfo> found = repository.session().disks().scan(operation);
        StoreSpace space = repository.session().sr().volumes().space();
        database.write(
                batch -> {
                    Set<String> refs = new HashSet<>();
                    for (VdiInfo info : found) {
                        refs.add(OpaqueRef.of(info.uuid()));
                        if (holds(repository, info)) {
                            write(batch, sr, info);
                        }
                    }
                    for (ApiObject row : database.referring("VDI", "SR", sr.ref())) {
                        if (!refs.contains(row.ref()) && repository.untouched(row.uuid())) {
                            gone(batch, row);
                        }
                    }
                    return null;
                });
        repository.scanEnded();
        sizes(sr, space);
    }

    /** Whether what a scan saw of a disk or an inner node is still so. */
    private boolean holds(AttachedRepository repository, VdiInfo info) {
        boolean known = database.find(OpaqueRef.of(info.uuid())).isPresent();
        return repository.untouched(info.uuid().toString())
                && (info.managed() || known || repository.isQuiet());
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
