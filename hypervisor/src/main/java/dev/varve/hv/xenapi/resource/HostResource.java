// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Initiator;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.vdi.ErrorCode;

import java.util.regex.Pattern;

/** Hosts: what is more than setting a field. */
final class HostResource {
    /** The three kinds of names of RFC 7143, 4.2.7, as far as their first characters tell them. */
    private static final Pattern NAME =
            Pattern.compile(
                    "iqn\\.[0-9]{4}-(0[1-9]|1[0-2])\\.[a-z0-9.-]+(:[a-z0-9.:-]*)?"
                            + "|eui\\.[0-9A-F]{16}|naa\\.([0-9A-F]{16}|[0-9A-F]{32})");

    private static final int LONGEST = 223;

    private final Toolstack stack;

    HostResource(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bindVoid("host.set_iscsi_iqn", this::setInitiator);
    }

    private void setInitiator(Call call) {
        stack.database().get("host", call.self());
        String name = call.text("value");
        if (name.length() > LONGEST || !NAME.matcher(name).matches()) {
            throw ErrorCode.INVALID_IQN.because(
                    "%s is not an iSCSI name; give one like iqn.2026-01.com.example:host1"
                            .formatted(name));
        }
        stack.database().update("host", call.self(), host -> Initiator.with(host, name));
    }
}
