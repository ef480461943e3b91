// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmoiscsi;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.lvm.GroupOptions;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * Where a LUN is and how to reach it.
 *
 * @param portals where the target listens, each a path
 * @param target the name of the target; empty when any that the portal offers will do
 * @param scsiId the identifier of the LUN, if it is given
 * @param lun the number of the LUN, if it is given
 * @param allPortals whether the portals that the target tells of are paths as well
 */
record LvmOverIscsiConfig(
        List<Portal> portals,
        Optional<IscsiName> target,
        Optional<String> scsiId,
        OptionalInt lun,
        IscsiName initiator,
        ChapSecrets chap,
        boolean allPortals) {
    static final String TARGET = "target";
    static final String TARGET_IQN = "targetIQN";
    static final String SCSI_ID = "SCSIid";
    static final String ANY = "*";

    private static final String PORT = "port";
    private static final String LUN_ID = "LUNid";
    private static final String LOCAL_IQN = "localIQN";
    private static final String MULTI_SESSION = "multiSession";
    private static final String MULTIHOMED = "multihomed";
    private static final String DISCOVERY_NUMBER = "usediscoverynumber";
    private static final String CHAP_USER = "chapuser";
    private static final String CHAP_PASSWORD = "chappassword";
    private static final String INCOMING_USER = "incoming_chapuser";
    private static final String INCOMING_PASSWORD = "incoming_chappassword";
    private static final int MAX_LUN = 16383;
    private static final int MAX_PORT = 65535;

    /** Its keys. */
    static final List<ConfigKey> KEYS = keys();

    private static List<ConfigKey> keys() {
        List<ConfigKey> keys = new ArrayList<>();
        keys.add(
                new ConfigKey(
                        TARGET,
                        true,
                        "the address or name of the target's portal, with :port if need be; several"
                                + " with commas between them are several paths"));
        keys.add(new ConfigKey(TARGET_IQN, true, "the name of the target; * for any"));
        keys.add(new ConfigKey(SCSI_ID, true, "the identifier of the LUN, as sr-probe shows it"));
        keys.add(optional(PORT, "the port of portals that name none; 3260 without it"));
        keys.add(
                optional(
                        LUN_ID,
                        "the number of the LUN; alone it chooses the LUN, with SCSIid it says where"
                                + " to look"));
        keys.add(optional(CHAP_USER, "the name by which the target knows this host"));
        keys.add(optional(CHAP_PASSWORD, "the secret that belongs to chapuser"));
        keys.add(optional(CHAP_PASSWORD + "_secret", "the UUID of a secret with chappassword"));
        keys.add(optional(INCOMING_USER, "the name by which the target has to show itself"));
        keys.add(optional(INCOMING_PASSWORD, "the secret that belongs to incoming_chapuser"));
        keys.add(
                optional(
                        INCOMING_PASSWORD + "_secret",
                        "the UUID of a secret with incoming_chappassword"));
        keys.add(optional(LOCAL_IQN, "the name of this host, if not that of the host object"));
        keys.add(optional(MULTIHOMED, "true: all portals that the target tells of are paths, too"));
        keys.add(
                optional(
                        MULTI_SESSION,
                        "more paths, as address,port,IQN with | after each; all of one target"));
        keys.add(optional(DISCOVERY_NUMBER, "taken and without effect"));
        keys.addAll(GroupOptions.KEYS);
        return List.copyOf(keys);
    }

    private static ConfigKey optional(String name, String description) {
        return new ConfigKey(name, false, description);
    }

    /** Reads it; what is missing before a LUN is chosen is left empty. */
    static LvmOverIscsiConfig of(DeviceConfig config, SrContext context) {
        config.refuseUnknown(KEYS);
        String target = config.require(TARGET, ErrorCode.CONFIG_TARGET_MISSING);
        LinkedHashSet<Portal> portals = new LinkedHashSet<>();
        for (String place : target.split(",", -1)) {
            portals.add(portal(place.strip(), config.get(PORT)));
        }
        Optional<IscsiName> name =
                config.get(TARGET_IQN).filter(iqn -> !iqn.equals(ANY)).map(IscsiName::new);
        config.get(MULTI_SESSION).ifPresent(text -> portals.addAll(sessions(text, name)));
        return new LvmOverIscsiConfig(
                List.copyOf(portals),
                name,
                config.get(SCSI_ID),
                lun(config),
                initiator(config, context),
                chap(config),
                flag(config, MULTIHOMED));
    }

    private static Portal portal(String place, Optional<String> port) {
        Portal portal = Portal.parse(place);
        boolean named = place.endsWith(":" + portal.port()) && !place.equals(portal.host());
        return named || port.isEmpty()
                ? portal
                : new Portal(
                        portal.host(), number(PORT, port.get(), MAX_PORT, ErrorCode.ISCSI_PORT));
    }

    private static List<Portal> sessions(String text, Optional<IscsiName> name) {
        List<Portal> portals = new ArrayList<>();
        for (String session : text.split("\\|", -1)) {
            if (session.isBlank()) {
                continue;
            }
            String[] parts = session.split(",", -1);
            if (parts.length != 3) {
                throw ErrorCode.SR_INVALID_ARGUMENT.because(
                        "device-config:multiSession has \"%s\", which is not address,port,IQN"
                                .formatted(session));
            }
            boolean same =
                    name.map(IscsiName::value).orElse(parts[2]).equalsIgnoreCase(parts[2].strip());
            if (!same) {
                throw ErrorCode.SR_INVALID_ARGUMENT.because(
                        "device-config:multiSession names the target %s, and targetIQN names %s; all paths must lead to one target"
                                .formatted(parts[2], name.get()));
            }
            portals.add(
                    new Portal(
                            parts[0].strip(),
                            number(PORT, parts[1].strip(), MAX_PORT, ErrorCode.ISCSI_PORT)));
        }
        return portals;
    }

    private static OptionalInt lun(DeviceConfig config) {
        Optional<String> text = config.get(LUN_ID);
        if (text.isEmpty()) {
            return OptionalInt.empty();
        }
        if (text.get().indexOf(',') >= 0) {
            throw ErrorCode.LVM_ONE_LUN.because(
                    "device-config:LUNid=%s names several LUNs; a repository lies on exactly one"
                            .formatted(text.get()));
        }
        return OptionalInt.of(
                number(LUN_ID, text.get().strip(), MAX_LUN, ErrorCode.SR_INVALID_ARGUMENT));
    }

    private static int number(String key, String text, int most, ErrorCode code) {
        boolean number = text.matches("[0-9]{1,5}") && Integer.parseInt(text) <= most;
        if (!number) {
            throw code.because(
                    "device-config:%s=%s is not a number from 0 to %d".formatted(key, text, most));
        }
        return Integer.parseInt(text);
    }

    private static boolean flag(DeviceConfig config, String key) {
        String text = config.get(key).orElse("false");
        if (!text.equals("true") && !text.equals("false")) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "device-config:%s=%s is neither true nor false".formatted(key, text));
        }
        return text.equals("true");
    }

    private static IscsiName initiator(DeviceConfig config, SrContext context) {
        String name = config.get(LOCAL_IQN).orElse(context.initiator());
        if (name.isEmpty()) {
            throw ErrorCode.CONFIG_LOCAL_IQN_MISSING.because(
                    "this host has no name towards iSCSI targets; give it one with xe"
                            + " host-param-set uuid=HOST iscsi_iqn=iqn.2026-01.com.example:host");
        }
        return new IscsiName(name);
    }

    private static ChapSecrets chap(DeviceConfig config) {
        return new ChapSecrets(
                secret(config, CHAP_USER, CHAP_PASSWORD),
                secret(config, INCOMING_USER, INCOMING_PASSWORD));
    }

    private static Optional<ChapSecrets.Secret> secret(
            DeviceConfig config, String user, String password) {
        boolean named = config.get(user).isPresent();
        if (named != config.get(password).isPresent()) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "device-config has only one of %s and %s; give both or none"
                            .formatted(user, password));
        }
        return config.get(user)
                .map(name -> new ChapSecrets.Secret(name, config.get(password).orElseThrow()));
    }

    /** What attaches the same LUN. */
    static DeviceConfig chosen(DeviceConfig config, String id) {
        Map<String, String> values = new TreeMap<>(config.values());
        values.put(SCSI_ID, id);
        return new DeviceConfig(values);
    }

    /** For messages: the portals and, if it is chosen, the target. */
    String place() {
        String places =
                portals.stream().map(Portal::toString).reduce((a, b) -> a + ", " + b).orElse("");
        return target.map(name -> name + " at " + places).orElse(places);
    }
}
