// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.state.StateStore;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * All objects of the API. They are rows of the {@link StateStore}, held in memory as well; those of
 * a volatile class are in memory only.
 *
 * <p><b>Invariants:</b> what is in memory is what the store has, once {@link #write} has returned.
 * References between objects are kept on one side only; the other side is an index.
 *
 * <p><b>Threads:</b> any; changes are made one after the other, readers never wait.
 *
 * <p><b>Durability:</b> a change that returned survives power loss, all of it or none.
 */
public final class Database {
    private static final String PREFIX = "db/";

    private final ApiSchema schema;
    private final StateStore store;
    private final ReentrantLock writer = new ReentrantLock();
    private final Map<String, ApiObject> objects = new ConcurrentHashMap<>();
    private final Map<String, Map<String, ApiObject>> byClass = new HashMap<>();
    private final Map<String, Map<String, Set<String>>> referrers = new HashMap<>();
    private final Changes changes = new Changes();
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();

    /** Somebody who is told of objects that change. */
    @FunctionalInterface
    public interface Listener {
        /**
         * An object that there was before is another one now. Called on the thread that changed it,
         * while no other change is made: it must neither wait nor change anything.
         */
        void changed(ApiObject before, ApiObject after);
    }

    /** Reads all rows of the store. */
    public Database(ApiSchema schema, StateStore store) {
        this.schema = schema;
        this.store = store;
        for (ApiClass type : schema.classes()) {
            byClass.put(type.name(), new ConcurrentSkipListMap<>());
            for (ApiField field : type.fields()) {
                if (field.source() instanceof ApiField.Source.Inverse inverse) {
                    referrers.put(
                            inverse.className() + "." + inverse.field(), new ConcurrentHashMap<>());
                }
            }
        }
        store.range(PREFIX).forEach(this::load);
    }

    private void load(StateStore.Entry entry) {
        String[] parts = entry.key().split("/", -1);
        ApiClass type = schema.require(parts[1]);
        String ref = OpaqueRef.of(UUID.fromString(parts[2]));
        Values values = Values.kept(schema);
        Map<String, Object> fields = new HashMap<>();
        Json.parseOwn(entry.value())
                .properties()
                .forEach(
                        property -> {
                            String name = property.getKey();
                            // A field that an older program kept and this one does not is dropped.
                            type.field(name)
                                    .ifPresent(
                                            field ->
                                                    fields.put(
                                                            name,
                                                            values.coerce(
                                                                    field.type(),
                                                                    Json.plain(property.getValue()),
                                                                    name)));
                        });
        ApiObject object = new ApiObject(type, ref, fields, entry.revision());
        replace(null, object);
        changes.changed(object);
    }

    private static String key(ApiObject object) {
        return PREFIX + object.type().name() + "/" + object.uuid();
    }

    /** The schema of the objects. */
    public ApiSchema schema() {
        return schema;
    }

    /** Has somebody told of objects that change, as long as there is this database. */
    public void listen(Listener listener) {
        listeners.add(listener);
    }

    /** In which order objects changed. */
    Changes changes() {
        return changes;
    }

    /**
     * Says that fields of an object that are worked out may have changed. That there is no such
     * object is not an error.
     */
    public void touch(String ref) {
        ApiObject object = objects.get(ref);
        if (object != null) {
            changes.changed(object);
        }
    }

    /** An object by its reference, of whatever class. */
    public Optional<ApiObject> find(String ref) {
        return Optional.ofNullable(objects.get(ref));
    }

    /**
     * An object of a class.
     *
     * @throws dev.varve.vdi.StorageException HANDLE_INVALID
     */
    public ApiObject get(String className, String ref) {
        ApiObject object = byClass.get(className).get(ref);
        if (object == null) {
            throw ErrorCode.HANDLE_INVALID.with(className, ref);
        }
        return object;
    }

    /**
     * An object of a class by its UUID.
     *
     * @throws dev.varve.vdi.StorageException UUID_INVALID
     */
    public ApiObject getByUuid(String className, String uuid) {
        return findByUuid(className, uuid)
                .orElseThrow(() -> ErrorCode.UUID_INVALID.with(className, uuid));
    }

    /** An object of a class by its UUID, if there is one. */
    public Optional<ApiObject> findByUuid(String className, String uuid) {
        return Optional.ofNullable(byClass.get(className).get(OpaqueRef.ofText(uuid)));
    }

    /** All objects of a class, in the order of their references. */
    public List<ApiObject> all(String className) {
        return List.copyOf(byClass.get(className).values());
    }

    /** How many objects of a class there are. */
    public int count(String className) {
        return byClass.get(className).size();
    }

    /** How many objects of a class refer to the given one in a field. */
    public int countReferring(String className, String field, String ref) {
        return index(className, field).getOrDefault(ref, Set.of()).size();
    }

    /** The objects of a class whose field refers to the given one. */
    public List<ApiObject> referring(String className, String field, String ref) {
        List<ApiObject> found = new ArrayList<>();
        for (String referrer : index(className, field).getOrDefault(ref, Set.of())) {
            ApiObject object = objects.get(referrer);
            if (object != null) {
                found.add(object);
            }
        }
        return found;
    }

    private Map<String, Set<String>> index(String className, String field) {
        Map<String, Set<String>> index = referrers.get(className + "." + field);
        if (index == null) {
            throw new IllegalArgumentException("no index on " + className + "." + field);
        }
        return index;
    }

    /** Changes one object. */
    public ApiObject update(String className, String ref, UnaryOperator<ApiObject> change) {
        return write(batch -> batch.put(change.apply(batch.get(className, ref))));
    }

    /** Makes one object; see {@link Batch#create}. */
    public ApiObject create(String className, UUID uuid, Map<String, Object> fields) {
        return write(batch -> batch.create(className, uuid, fields));
    }

    /** Deletes objects. That there are none is not an error. */
    public void delete(Collection<ApiObject> gone) {
        write(
                batch -> {
                    gone.forEach(object -> batch.delete(object.ref()));
                    return null;
                });
    }

    /** Makes all changes of the function, or none when it throws. */
    public <T> T write(Function<Batch, T> change) {
        writer.lock();
        try {
            Batch batch = new Batch();
            T result = change.apply(batch);
            batch.commit();
            return result;
        } finally {
            writer.unlock();
        }
    }

    /** Changes that become visible together. */
    public final class Batch {
        private final Map<String, Optional<ApiObject>> touched = new LinkedHashMap<>();

        private Batch() {}

        /** An object as it is after the changes so far. */
        public Optional<ApiObject> find(String ref) {
            Optional<ApiObject> own = touched.get(ref);
            return own != null ? own : Database.this.find(ref);
        }

        /**
         * An object of a class as it is after the changes so far.
         *
         * @throws dev.varve.vdi.StorageException HANDLE_INVALID
         */
        public ApiObject get(String className, String ref) {
            return find(ref)
                    .filter(object -> object.type().name().equals(className))
                    .orElseThrow(() -> ErrorCode.HANDLE_INVALID.with(className, ref));
        }

        /** Makes an object; fields that are not given have their start values. */
        public ApiObject create(String className, UUID uuid, Map<String, Object> fields) {
            String ref = OpaqueRef.of(uuid);
            if (find(ref).isPresent()) {
                throw new IllegalArgumentException("there already is " + ref);
            }
            ApiObject object = new ApiObject(schema.require(className), ref, Map.of(), 0);
            object = object.with("uuid", uuid.toString());
            for (Map.Entry<String, Object> field : fields.entrySet()) {
                object = object.with(field.getKey(), field.getValue());
            }
            return put(object);
        }

        /** Writes an object. */
        public ApiObject put(ApiObject object) {
            touched.put(object.ref(), Optional.of(object));
            return object;
        }

        /** Deletes an object. That there is none is not an error. */
        public void delete(String ref) {
            touched.put(ref, Optional.empty());
        }

        private void commit() {
            List<StateStore.Compare> compares = new ArrayList<>();
            Map<String, String> puts = new TreeMap<>();
            Set<String> deletes = new TreeSet<>();
            touched.forEach((ref, after) -> plan(ref, after, compares, puts, deletes));
            long revision = compares.isEmpty() ? 0 : store(compares, puts, deletes);
            for (Map.Entry<String, Optional<ApiObject>> entry : touched.entrySet()) {
                ApiObject before = objects.get(entry.getKey());
                Optional<ApiObject> after = entry.getValue().map(object -> object.at(revision));
                if (after.isPresent()) {
                    // Replaced in one step: readers never miss an object that is only changed.
                    replace(before, after.get());
                } else if (before != null) {
                    withdraw(before);
                }
                note(before, after);
            }
        }

        private void note(ApiObject before, Optional<ApiObject> after) {
            if (after.isEmpty()) {
                if (before != null) {
                    changes.deleted(before);
                    touchReferred(before);
                }
            } else if (before == null || !before.values().equals(after.get().values())) {
                changes.changed(after.get());
                touchReferred(after.get());
                if (before != null) {
                    touchReferred(before);
                    listeners.forEach(listener -> listener.changed(before, after.get()));
                }
            }
        }

        /** What an object refers to lists it, and may be able to do more or less because of it. */
        private void touchReferred(ApiObject object) {
            eachReference(object, (_, target) -> touch(target));
        }

        private long store(
                List<StateStore.Compare> compares, Map<String, String> puts, Set<String> deletes) {
            return switch (store.txn(compares, puts, deletes)) {
                case StateStore.Outcome.Committed done -> done.revision();
                case StateStore.Outcome.Conflict conflict ->
                        throw new IllegalStateException("somebody else changed " + conflict.key());
            };
        }

        private void plan(
                String ref,
                Optional<ApiObject> after,
                List<StateStore.Compare> compares,
                Map<String, String> puts,
                Set<String> deletes) {
            ApiObject before = objects.get(ref);
            ApiObject any = after.orElse(before);
            if (any == null || any.type().is(ApiClass.Trait.VOLATILE)) {
                return;
            }
            String key = key(any);
            compares.add(new StateStore.Compare(key, before == null ? 0 : before.revision()));
            if (after.isPresent()) {
                puts.put(key, Json.text(new TreeMap<>(any.values())));
            } else {
                deletes.add(key);
            }
        }
    }

    private void replace(ApiObject before, ApiObject after) {
        objects.put(after.ref(), after);
        byClass.get(after.type().name()).put(after.ref(), after);
        eachReference(
                after,
                (index, target) ->
                        index.computeIfAbsent(target, _ -> new ConcurrentSkipListSet<>())
                                .add(after.ref()));
        if (before != null) {
            unlink(before, after);
        }
    }

    private void withdraw(ApiObject object) {
        objects.remove(object.ref());
        byClass.get(object.type().name()).remove(object.ref());
        unlink(object, null);
    }

    /** Takes an object out of the indexes, but for those where it now stands again. */
    private void unlink(ApiObject before, ApiObject after) {
        for (ApiField field : indexed(before)) {
            String target = before.text(field.name());
            boolean same = after != null && after.text(field.name()).equals(target);
            if (!same && !OpaqueRef.isNull(target)) {
                index(before, field)
                        .computeIfPresent(
                                target,
                                (_, set) -> {
                                    set.remove(before.ref());
                                    return set.isEmpty() ? null : set;
                                });
            }
        }
    }

    private Map<String, Set<String>> index(ApiObject object, ApiField field) {
        return referrers.get(object.type().name() + "." + field.name());
    }

    private List<ApiField> indexed(ApiObject object) {
        return object.type().fields().stream()
                .filter(field -> index(object, field) != null)
                .toList();
    }

    private interface IndexChange {
        void apply(Map<String, Set<String>> index, String target);
    }

    private void eachReference(ApiObject object, IndexChange change) {
        for (ApiField field : indexed(object)) {
            String target = object.text(field.name());
            if (!OpaqueRef.isNull(target)) {
                change.apply(index(object, field), target);
            }
        }
    }
}
