// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Texts;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.store.StoreSpace;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Makes the rows of disks agree with what is on storage, which is right. What storage does not
 * know, such as tags, stays in the row.
 */
final class VdiScanner {
    /** The key of sm_config that says why a disk cannot be used. */
    static final String QUARANTINE = "quarantine";

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
                        if (repository.untouched(info.uuid().toString())) {
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

    /** Writes the sizes of a repository down. */
    void sizes(ApiObject sr, StoreSpace space) {
        long virtual = 0;
        for (ApiObject vdi : database.referring("VDI", "SR", sr.ref())) {
            virtual += vdi.number("virtual_size");
        }
        long allocation = virtual;
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
        fields.put("name_label", Texts.fit(info.label()));
        fields.put("name_description", Texts.fit(info.description()));
        fields.put("virtual_size", info.virtualSizeBytes());
        fields.put("physical_utilisation", info.physicalUtilisationBytes());
        fields.put("read_only", info.readOnly());
        fields.put("missing", false);
        fields.put("parent", info.parent().map(OpaqueRef::of).orElse(OpaqueRef.NULL));
        Map<String, String> config = new TreeMap<>(before.map("sm_config"));
        config.remove(QUARANTINE);
        config.remove("vhd-parent");
        config.putAll(info.smConfig());
        boolean usable =
                switch (info.state()) {
                    case VdiState.Valid _, VdiState.Unclean _ -> true;
                    case VdiState.Quarantined bad -> {
                        config.put(QUARANTINE, bad.reason());
                        yield false;
                    }
                };
        fields.put("managed", usable && info.managed());
        fields.put("sm_config", config);
        return fields;
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
