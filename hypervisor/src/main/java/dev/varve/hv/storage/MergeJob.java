// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.RunningMerge;

import java.util.Optional;
import java.util.UUID;

/**
 * A merge that runs, shown as a task.
 *
 * <p><b>Threads:</b> any.
 */
final class MergeJob {
    private static final String COPIED = "copied-bytes";
    private static final String TOTAL = "total-bytes";
    private static final String ETA = "eta-seconds";

    private final StorageEnvironment env;
    private final Merge merge;
    private final Operation operation;
    private final String task;
    private volatile RunningMerge running;
    private volatile boolean withdrawn;

    /** Shows the task; the merge has not begun. */
    MergeJob(StorageEnvironment env, Merge merge, long bytesPerSecond) {
        this.env = env;
        this.merge = merge;
        operation = Operation.unbounded(label(env.database(), merge), env.clock());
        operation.limit(bytesPerSecond);
        task = env.tasks().begin(operation);
        operation.observe(this::show);
        show();
    }

    private static String label(Database database, Merge merge) {
        return "Coalesce " + name(database, merge.child()) + " into " + merge.parent();
    }

    private static String name(Database database, UUID image) {
        Optional<ApiObject> row = database.find(OpaqueRef.of(image));
        return row.filter(vdi -> vdi.flag("managed"))
                .map(vdi -> image + " (" + vdi.text("name_label") + ")")
                .orElse(image.toString());
    }

    /** Writes down how far it is, where clients see it. */
    private void show() {
        Database database = env.database();
        database.write(
                batch ->
                        batch.find(task)
                                .map(
                                        row ->
                                                batch.put(
                                                        row.withKey(
                                                                        "other_config",
                                                                        COPIED,
                                                                        Long.toString(
                                                                                copiedBytes()))
                                                                .withKey(
                                                                        "other_config",
                                                                        TOTAL,
                                                                        Long.toString(
                                                                                merge.bytes()))
                                                                .withKey(
                                                                        "other_config",
                                                                        ETA,
                                                                        Long.toString(
                                                                                operation
                                                                                        .etaSeconds())))));
        database.touch(task);
    }

    Merge merge() {
        return merge;
    }

    Operation operation() {
        return operation;
    }

    /** The merge, once it has begun. */
    RunningMerge running() {
        return running;
    }

    void begun(RunningMerge begun) {
        running = begun;
    }

    private long copiedBytes() {
        RunningMerge now = running;
        return now == null ? 0 : now.copiedBytes();
    }

    /** Ends it because it is not wanted now, which is not the fault of the images. */
    void withdraw() {
        withdrawn = true;
        operation.cancel();
    }

    boolean isWithdrawn() {
        return withdrawn;
    }

    /** Its task goes. */
    void end() {
        env.tasks().end(task);
    }

    ChainStatus.Running status() {
        return new ChainStatus.Running(
                operation.label(), operation.progress(), copiedBytes(), operation.etaSeconds());
    }
}
