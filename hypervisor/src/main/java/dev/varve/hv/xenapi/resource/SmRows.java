// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Drivers;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrDriver;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/** The rows of the drivers: one for each that is installed. They keep their UUIDs. */
public final class SmRows {
    private static final String API_VERSION = "1.1";

    private SmRows() {}

    /** Makes the rows or brings them up to date, and removes those of drivers that are gone. */
    public static void ensure(Database database, Drivers drivers, String version) {
        List<ApiObject> gone = new ArrayList<>(database.all("SM"));
        for (String type : drivers.types()) {
            SrDriver driver = drivers.require(type);
            UUID uuid = UUID.nameUUIDFromBytes(("SM " + type).getBytes(StandardCharsets.UTF_8));
            ApiObject row =
                    database.findByUuid("SM", uuid.toString())
                            .orElseGet(() -> database.create("SM", uuid, Map.of("type", type)));
            gone.remove(row);
            database.update("SM", row.ref(), old -> filled(old, driver, version));
        }
        database.delete(gone);
    }

    private static ApiObject filled(ApiObject row, SrDriver driver, String version) {
        Map<String, String> keys = new TreeMap<>();
        for (ConfigKey key : driver.configuration()) {
            keys.put(key.name(), key.description() + (key.required() ? " (required)" : ""));
        }
        List<String> capabilities =
                driver.capabilities().stream().map(SrCapability::name).sorted().toList();
        Map<String, Long> features = new TreeMap<>();
        capabilities.forEach(capability -> features.put(capability, 1L));
        return row.with("name_label", driver.name())
                .with("name_description", driver.description())
                .with("vendor", "Varve")
                .with("copyright", "the Varve authors")
                .with("version", version)
                .with("required_api_version", API_VERSION)
                .with("configuration", keys)
                .with("capabilities", capabilities)
                .with("features", features)
                .with("driver_filename", driver.getClass().getName());
    }
}
