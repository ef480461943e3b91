// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrDriver;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Passwords in device configurations. A driver that takes a password under a key, such as {@code
 * chappassword}, also declares the key with {@code _secret} at its end, which holds the UUID of a
 * secret instead. Connections are kept with the latter only, so that whoever may look at them does
 * not see the password; drivers get the former only.
 *
 * <p><b>Threads:</b> any.
 */
public final class DeviceSecrets {
    private static final String SUFFIX = "_secret";

    /** Marks secrets that were made for a connection and go with it. */
    private static final String OWNED = "device-config";

    private final Database database;
    private final RandomSource random;

    DeviceSecrets(Database database, RandomSource random) {
        this.database = database;
        this.random = random;
    }

    /** The keys of a driver that hold passwords. */
    private static List<String> passwords(SrDriver driver) {
        List<String> names = driver.configuration().stream().map(ConfigKey::name).toList();
        return names.stream().filter(name -> names.contains(name + SUFFIX)).toList();
    }

    /**
     * A configuration as its driver gets it.
     *
     * @throws dev.varve.vdi.StorageException SR_CONFIG_SECRET_INVALID when it names a secret that
     *     is not there, SR_INVALID_ARGUMENT when a key is unknown or a password is given twice
     */
    public DeviceConfig resolve(SrDriver driver, Map<String, String> config) {
        new DeviceConfig(config).refuseUnknown(driver.configuration());
        Map<String, String> plain = new TreeMap<>(config);
        for (String key : passwords(driver)) {
            String secret = plain.remove(key + SUFFIX);
            if (secret == null || secret.isEmpty()) {
                continue;
            }
            if (!plain.getOrDefault(key, "").isEmpty()) {
                throw ErrorCode.SR_INVALID_ARGUMENT.because(
                        "device-config has both %s and %s%s; give one of them"
                                .formatted(key, key, SUFFIX));
            }
            plain.put(key, value(key, secret));
        }
        return new DeviceConfig(plain);
    }

    private String value(String key, String secret) {
        return database.findByUuid("secret", secret)
                .map(row -> row.text("value"))
                .orElseThrow(
                        () ->
                                ErrorCode.SR_CONFIG_SECRET_INVALID.because(
                                        "device-config:%s%s names the secret %s, which does not exist; make one with secret-create"
                                                .formatted(key, SUFFIX, secret)));
    }

    /** A configuration as its connection keeps it: each password becomes a secret of its own. */
    public Map<String, String> keep(SrDriver driver, Map<String, String> config) {
        Map<String, String> kept = new TreeMap<>(config);
        for (String key : passwords(driver)) {
            String password = kept.remove(key);
            if (password != null && !password.isEmpty()) {
                kept.put(key + SUFFIX, make(password));
            }
        }
        return kept;
    }

    private String make(String password) {
        return database.create(
                        "secret",
                        random.uuid(),
                        Map.of("value", password, "other_config", Map.of(OWNED, "true")))
                .uuid();
    }

    /** The secrets that were made for a configuration, to be forgotten with it. */
    public List<ApiObject> owned(Map<String, String> config) {
        List<ApiObject> owned = new ArrayList<>();
        config.forEach(
                (key, value) -> {
                    if (key.endsWith(SUFFIX)) {
                        database.findByUuid("secret", value)
                                .filter(row -> row.map("other_config").containsKey(OWNED))
                                .ifPresent(owned::add);
                    }
                });
        return owned;
    }
}
