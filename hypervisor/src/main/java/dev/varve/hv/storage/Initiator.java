// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;

import java.util.UUID;

/**
 * The name of the host towards iSCSI targets (RFC 7143, 4.2.7). Clients set it in one of two
 * places, {@code other_config:iscsi_iqn} or the field {@code iscsi_iqn}; the former is the older
 * one and wins, and whoever sets the latter has the former follow.
 *
 * <p><b>Threads:</b> any.
 */
public final class Initiator {
    /** The key of {@code other_config}. */
    public static final String KEY = "iscsi_iqn";

    private static final String FIELD = "iscsi_iqn";

    /** The month in which the domain of the name was the project's, as the names need one. */
    private static final String AUTHORITY = "iqn.2026-01.dev.varve:";

    private Initiator() {}

    /** The name; empty when somebody has taken it away. */
    public static String of(ApiObject host) {
        String older = host.map("other_config").getOrDefault(KEY, "");
        return older.isEmpty() ? host.text(FIELD) : older;
    }

    /** The host with a name, in both places. */
    public static ApiObject with(ApiObject host, String name) {
        return host.withKey("other_config", KEY, name).with(FIELD, name);
    }

    /** The host with a name that no other has, unless it has one. */
    public static ApiObject named(ApiObject host) {
        String present = of(host);
        return with(host, present.isEmpty() ? AUTHORITY + UUID.fromString(host.uuid()) : present);
    }
}
