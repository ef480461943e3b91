// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.vdi.ErrorCode;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * What is being done with which object now, and what excludes what: two operations on one disk or
 * one connection never run together; a repository may work on several disks at once, but not while
 * it comes or goes.
 *
 * <p><b>Threads:</b> any.
 */
public final class CurrentOperations {
    private static final Set<String> ALONE = Set.of("destroy", "forget", "plug", "unplug");

    private final Consumer<String> changed;
    private final Map<String, Map<String, String>> running = new HashMap<>();

    /**
     * Nothing is being done yet.
     *
     * @param changed told the reference of each object that an operation begins or ends on
     */
    public CurrentOperations(Consumer<String> changed) {
        this.changed = changed;
    }

    /** An operation that runs until this is closed. */
    public interface Hold extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * Notes an operation.
     *
     * @param task under which it is shown
     * @throws dev.varve.vdi.StorageException OTHER_OPERATION_IN_PROGRESS
     */
    public Hold begin(ApiObject object, String operation, String task) {
        return beginAll(List.of(object), operation, task);
    }

    /**
     * Notes an operation on several different objects, on all of them or on none.
     *
     * @param task under which it is shown
     * @throws dev.varve.vdi.StorageException OTHER_OPERATION_IN_PROGRESS with the first object that
     *     cannot take it
     */
    public Hold beginAll(List<ApiObject> objects, String operation, String task) {
        note(objects, operation, task);
        objects.forEach(object -> changed.accept(object.ref()));
        return () -> objects.forEach(object -> end(object.ref(), task));
    }

    private synchronized void note(List<ApiObject> objects, String operation, String task) {
        for (ApiObject object : objects) {
            if (!allows(object, operation)) {
                throw ErrorCode.OTHER_OPERATION_IN_PROGRESS.with(
                        object.type().name(), object.ref());
            }
        }
        for (ApiObject object : objects) {
            running.computeIfAbsent(object.ref(), _ -> new LinkedHashMap<>()).put(task, operation);
        }
    }

    private static boolean excludes(ApiObject object, String operation, String other) {
        return !object.type().name().equals("SR")
                || ALONE.contains(operation)
                || ALONE.contains(other)
                || (operation.equals("scan") && other.equals("scan"));
    }

    private void end(String ref, String task) {
        remove(ref, task);
        changed.accept(ref);
    }

    private synchronized void remove(String ref, String task) {
        running.computeIfPresent(
                ref,
                (_, tasks) -> {
                    tasks.remove(task);
                    return tasks.isEmpty() ? null : tasks;
                });
    }

    /** The operations on an object, by task. */
    public synchronized Map<String, String> of(String ref) {
        return new LinkedHashMap<>(running.getOrDefault(ref, Map.of()));
    }

    /** Whether the object could take an operation now. */
    public synchronized boolean allows(ApiObject object, String operation) {
        return running.getOrDefault(object.ref(), Map.of()).values().stream()
                .noneMatch(other -> excludes(object, operation, other));
    }
}
