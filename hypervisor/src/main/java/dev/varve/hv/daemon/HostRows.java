// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.storage.Initiator;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Values;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;

/**
 * The rows of pool, host and control domain. They are made when a daemon starts for the first time,
 * and keep their UUIDs from then on.
 */
final class HostRows {
    private static final long API_MAJOR = 2;
    private static final long API_MINOR = 21;

    private HostRows() {}

    /**
     * Makes the rows or brings them up to date; gives the reference of the host.
     *
     * @param pool the pool that the host belongs to; nothing leaves it where it is
     */
    static String ensure(Database database, Clock clock, RandomSource random, Optional<UUID> pool) {
        String name = hostName();
        String host =
                database.all("host").stream()
                        .findFirst()
                        .map(ApiObject::ref)
                        .orElseGet(() -> first(database, clock, random, name));
        pool.ifPresent(uuid -> belong(database, uuid));
        database.update(
                "host",
                host,
                row ->
                        Initiator.named(row)
                                .with("hostname", name)
                                .with("API_version_major", API_MAJOR)
                                .with("API_version_minor", API_MINOR)
                                .with("API_version_vendor", "Varve")
                                .with("software_version", software())
                                .with("cpu_info", cpus()));
        return host;
    }

    private static String first(Database database, Clock clock, RandomSource random, String name) {
        UUID hostUuid = random.uuid();
        return database.write(
                batch -> {
                    ApiObject host =
                            batch.create(
                                    "host",
                                    hostUuid,
                                    Map.of("name_label", name, "address", "127.0.0.1"));
                    String now = Values.time(clock.epochMillis());
                    ApiObject domain =
                            batch.create(
                                    "VM",
                                    random.uuid(),
                                    Map.of(
                                            "name_label",
                                            "Control domain on host: " + name,
                                            "name_description",
                                            "The domain that stands for the host",
                                            "is_control_domain",
                                            true,
                                            "power_state",
                                            "Running",
                                            "domid",
                                            0L,
                                            "resident_on",
                                            host.ref(),
                                            "affinity",
                                            host.ref(),
                                            "install_time",
                                            now,
                                            "domain_type",
                                            "unspecified"));
                    batch.put(host.with("control_domain", domain.ref()));
                    batch.create("pool", random.uuid(), Map.of("master", host.ref()));
                    return host.ref();
                });
    }

    /**
     * An object is known by its UUID, so a host that changes its pool has another object for it.
     */
    private static void belong(Database database, UUID uuid) {
        database.write(
                batch -> {
                    for (ApiObject pool : database.all("pool")) {
                        if (!pool.uuid().equals(uuid.toString())) {
                            Map<String, Object> fields = new HashMap<>(pool.values());
                            fields.remove("uuid");
                            batch.delete(pool.ref());
                            batch.create("pool", uuid, fields);
                        }
                    }
                    return uuid;
                });
    }

    private static Map<String, String> software() {
        Map<String, String> software = new TreeMap<>();
        software.put("product_brand", "Varve");
        software.put("product_version", DaemonInfo.version());
        software.put("xapi", API_MAJOR + "." + API_MINOR);
        software.put("java", Runtime.version().toString());
        return software;
    }

    private static Map<String, String> cpus() {
        return Map.of("cpu_count", Integer.toString(Runtime.getRuntime().availableProcessors()));
    }

    /** The name that the kernel knows; asking the resolver could take seconds. */
    static String hostName() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException e) {
            return "localhost";
        }
    }
}
