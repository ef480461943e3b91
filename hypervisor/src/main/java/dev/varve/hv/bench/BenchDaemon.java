// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.daemon.VarveDaemon;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.xenapi.Caller;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A daemon in this process, as the launcher starts one, with a repository in its home. */
final class BenchDaemon implements AutoCloseable {
    private static final int BATCH = 1000;

    private final VarveDaemon daemon;

    /** Starts it. */
    BenchDaemon(Path home) throws IOException {
        daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                Clock.system(),
                                RandomSource.secure(),
                                Scheduler.system("bench-scheduler"),
                                Drivers.installed(),
                                LaneStorageEngine::open));
    }

    /** Where clients connect. */
    Path socket() {
        return daemon.socket();
    }

    /** Logs in and gives the session. */
    String login() {
        return (String) call("session.login_with_password", "root", "");
    }

    private Object call(String method, Object... params) {
        return daemon.dispatcher().call(Caller.LOCAL, method, List.of(params));
    }

    /** Changes the name of the pool, as a client would. */
    void renamePool(String session, String name) {
        Object pool = ((List<?>) call("pool.get_all", session)).getFirst();
        call("pool.set_name_label", session, pool, name);
    }

    /** Makes a repository in a directory and gives its reference. */
    String createRepository(String session, Path location) {
        String host = (String) ((List<?>) call("host.get_all", session)).getFirst();
        return (String)
                call(
                        "SR.create",
                        session,
                        host,
                        Map.of("location", location.toString()),
                        0L,
                        "bench",
                        "",
                        "file",
                        "",
                        false);
    }

    /** Writes the rows of so many disks, without images: the API tells of them like of others. */
    void addDisks(String repository, int count) {
        Database database = daemon.database();
        for (int done = 0; done < count; done += BATCH) {
            int first = done;
            int last = Math.min(count, done + BATCH);
            database.write(
                    batch -> {
                        for (int i = first; i < last; i++) {
                            var uuid = RandomSource.secure().uuid();
                            batch.create("VDI", uuid, fields(repository, uuid.toString(), i));
                        }
                        return null;
                    });
        }
    }

    private static Map<String, Object> fields(String repository, String location, int number) {
        Map<String, Object> fields = new HashMap<>();
        fields.put("SR", repository);
        fields.put("location", location);
        fields.put("name_label", "disk " + number);
        fields.put("name_description", "one of many");
        fields.put("virtual_size", 10L << 30);
        fields.put("physical_utilisation", (long) number << 12);
        fields.put("sm_config", Map.of("vdi_type", "vhd"));
        return fields;
    }

    @Override
    public void close() {
        daemon.close();
    }
}
