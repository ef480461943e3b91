// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.vdi.ErrorCode;

import java.util.Map;

/** Connections of repositories to hosts. */
final class PbdResource {
    private final Toolstack stack;

    PbdResource(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bind("PBD.create", this::create)
                .bindVoid("PBD.destroy", this::destroy)
                .bindVoid("PBD.plug", this::plug)
                .bindVoid("PBD.unplug", this::unplug)
                .bindVoid("PBD.set_device_config", this::setDeviceConfig);
    }

    private ApiObject get(Call call) {
        return stack.database().get("PBD", call.self());
    }

    private ApiObject repository(ApiObject pbd) {
        return stack.database().get("SR", pbd.text("SR"));
    }

    private String create(Call call) {
        Map<String, Object> fields =
                new RecordFields(call).take("SR", "host", "device_config", "other_config");
        ApiObject sr = stack.database().get("SR", (String) fields.get("SR"));
        ApiObject host = stack.database().get("host", (String) fields.get("host"));
        validate(sr, call.fields("record").get("device_config"));
        try (var _ = stack.operations().begin(sr, "pbd_create", stack.task(call))) {
            for (ApiObject other : stack.database().referring("PBD", "SR", sr.ref())) {
                if (other.text("host").equals(host.ref())) {
                    throw ErrorCode.PBD_EXISTS.with(sr.ref(), host.ref(), other.ref());
                }
            }
            return stack.database().create("PBD", stack.env().random().uuid(), fields).ref();
        }
    }

    private void validate(ApiObject sr, Object config) {
        Map<String, String> values = new java.util.TreeMap<>();
        if (config instanceof Map<?, ?> map) {
            map.forEach((key, value) -> values.put((String) key, (String) value));
        }
        new DeviceConfig(values)
                .refuseUnknown(
                        stack.repositories().drivers().require(sr.text("type")).configuration());
    }

    private void refusePlugged(ApiObject pbd) {
        if (pbd.flag("currently_attached")) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    "the connection is plugged in; unplug it first");
        }
    }

    private void destroy(Call call) {
        ApiObject pbd = get(call);
        try (var _ = stack.operations().begin(repository(pbd), "pbd_destroy", stack.task(call))) {
            refusePlugged(pbd);
            stack.database().delete(java.util.List.of(pbd));
        }
    }

    private void plug(Call call) {
        ApiObject pbd = get(call);
        try (var _ = stack.operations().begin(repository(pbd), "plug", stack.task(call))) {
            stack.repositories().plug(pbd.ref(), call.operation());
        }
        stack.healer().watch(pbd.ref());
    }

    private void unplug(Call call) {
        ApiObject pbd = get(call);
        try (var _ = stack.operations().begin(repository(pbd), "unplug", stack.task(call))) {
            stack.repositories().unplug(pbd.ref());
        }
    }

    private void setDeviceConfig(Call call) {
        ApiObject pbd = get(call);
        refusePlugged(pbd);
        validate(repository(pbd), call.arg("value"));
        stack.database()
                .update("PBD", pbd.ref(), row -> row.with("device_config", call.arg("value")));
    }
}
