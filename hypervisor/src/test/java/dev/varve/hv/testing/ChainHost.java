// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.daemon.Settings;
import dev.varve.hv.daemon.VarveDaemon;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** A daemon as users get it, in this process, that looks after chains at once. */
public final class ChainHost implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 120;

    private final Path home;
    private final VarveDaemon daemon;
    private final String session;

    /** Starts the daemon, with a home of its own. */
    public ChainHost(Path home) throws IOException {
        this.home = Files.createDirectories(home);
        Files.writeString(
                home.resolve(Settings.FILE),
                "api.https=off\napi.http=off\nnbd.tls=off\ncoalesce.quiet-millis=50\n");
        daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                Clock.system(),
                                RandomSource.secure(),
                                Scheduler.system("test-scheduler"),
                                Drivers.installed(),
                                LaneStorageEngine::open));
        session = (String) callPlain("session.login_with_password", List.of("root", ""));
    }

    private Object callPlain(String method, List<Object> params) {
        return daemon.dispatcher().call(Caller.LOCAL, method, params);
    }

    /** Calls a method. */
    public Object call(String method, Object... args) {
        List<Object> params = new ArrayList<>(List.of(session));
        params.addAll(List.of(args));
        return callPlain(method, params);
    }

    /** Calls a method that gives a reference or another text. */
    public String text(String method, Object... args) {
        return (String) call(method, args);
    }

    private String host() {
        return (String) ((List<?>) call("host.get_all")).getFirst();
    }

    /** Makes a repository in a directory. */
    public String create(Path directory) throws IOException {
        Files.createDirectories(directory);
        return text(
                "SR.create",
                host(),
                Map.of("location", directory.toString()),
                0L,
                "chains",
                "",
                "file",
                "",
                true,
                Map.of());
    }

    /** Attaches a repository that another daemon has made. */
    public String introduce(String uuid, Path directory) {
        String sr = text("SR.introduce", uuid, "", "", "file", "", true, Map.of());
        String pbd =
                text(
                        "PBD.create",
                        Map.of(
                                "host",
                                host(),
                                "SR",
                                sr,
                                "device_config",
                                Map.of("location", directory.toString())));
        call("PBD.plug", pbd);
        return sr;
    }

    /** Makes a disk. */
    public String disk(String sr, long size) {
        return text("VDI.create", Map.of("SR", sr, "virtual_size", size, "name_label", "disk"));
    }

    /** Attaches a disk and gives its connection. */
    public String plug(String vdi) {
        String vbd =
                text(
                        "VBD.create",
                        Map.of(
                                "VM",
                                text("host.get_control_domain", host()),
                                "VDI",
                                vdi,
                                "userdevice",
                                "autodetect"));
        call("VBD.plug", vbd);
        return vbd;
    }

    /** Where a disk that is attached is served. */
    public URI uri(String vdi) {
        return URI.create(
                "nbd+unix:///" + uuid(vdi) + "?socket=" + home.resolve("run").resolve("nbd.sock"));
    }

    /** The UUID of a disk. */
    public String uuid(String vdi) {
        return text("VDI.get_uuid", vdi);
    }

    /** Takes a snapshot. */
    public String snapshot(String vdi) {
        return text("VDI.snapshot", vdi, Map.of());
    }

    /** Sets a key of other-config, or removes it when the value is empty. */
    public void configure(String type, String ref, String key, String value) {
        call(type + ".remove_from_other_config", ref, key);
        if (!value.isEmpty()) {
            call(type + ".add_to_other_config", ref, key, value);
        }
    }

    /** A key of other-config; empty when it is not there. */
    public String configured(String type, String ref, String key) {
        Object value = ((Map<?, ?>) call(type + ".get_other_config", ref)).get(key);
        return value == null ? "" : (String) value;
    }

    /** How many images a disk consists of, by the rows. */
    public int depth(String vdi) {
        int depth = 0;
        Map<?, ?> all = (Map<?, ?>) call("VDI.get_all_records");
        for (String at = vdi; all.containsKey(at); at = (String) record(all, at).get("parent")) {
            depth++;
        }
        return depth;
    }

    private static Map<?, ?> record(Map<?, ?> all, String ref) {
        return (Map<?, ?>) all.get(ref);
    }

    /** How many images a repository has, by the rows. */
    public int images(String sr) {
        return ((List<?>) call("SR.get_VDIs", sr)).size();
    }

    /** The tasks that there are, by reference, with what they are called. */
    public Map<String, String> tasks() {
        Map<String, String> tasks = new HashMap<>();
        ((Map<?, ?>) call("task.get_all_records"))
                .forEach(
                        (ref, task) ->
                                tasks.put(
                                        (String) ref,
                                        (String) ((Map<?, ?>) task).get("name_label")));
        return tasks;
    }

    /** What a command shows. */
    public String xe(String... words) throws IOException {
        return TestDaemon.xe(daemon, words).ok();
    }

    /** Waits until something is so, and fails when it takes too long. */
    public static void await(String what, BooleanSupplier so) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!so.getAsBoolean()) {
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError("still not so: " + what);
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
        }
    }

    @Override
    public void close() {
        daemon.close();
    }
}
