// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.StorageException;

import java.util.Optional;

/** Why something does not work now, kept where a user looks: in {@code other-config:last-error}. */
public final class LastError {
    static final String KEY = "last-error";

    private LastError() {}

    static String text(RuntimeException failure) {
        return failure instanceof StorageException storage
                ? storage.sentence() + " (" + storage.code().wireName() + ")"
                : failure.toString();
    }

    static void set(Database database, String ref, RuntimeException failure) {
        write(database, ref, text(failure));
    }

    static void clear(Database database, String ref) {
        write(database, ref, "");
    }

    private static void write(Database database, String ref, String text) {
        Optional<ApiObject> object = database.find(ref);
        if (object.isPresent() && !of(object.get()).equals(text)) {
            database.write(
                    batch ->
                            batch.find(ref)
                                    .map(row -> batch.put(row.withKey("other_config", KEY, text))));
        }
    }

    /** What is wrong with an object; empty when nothing is. */
    public static String of(ApiObject object) {
        return object.map("other_config").getOrDefault(KEY, "");
    }
}
