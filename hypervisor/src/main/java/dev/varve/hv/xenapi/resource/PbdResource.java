// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrDriver;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

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
        Map<String, String> config = config(fields.get("device_config"));
        validate(sr, config);
        try (var _ = stack.operations().begin(sr, "pbd_create", stack.task(call))) {
            for (ApiObject other : stack.database().referring("PBD", "SR", sr.ref())) {
                if (other.text("host").equals(host.ref())) {
                    throw ErrorCode.PBD_EXISTS.with(sr.ref(), host.ref(), other.ref());
                }
            }
            fields.put("device_config", keep(sr, config));
            return stack.database().create("PBD", stack.env().random().uuid(), fields).ref();
        }
    }

    private static Map<String, String> config(Object sent) {
        Map<String, String> values = new TreeMap<>();
        if (sent instanceof Map<?, ?> map) {
            map.forEach((key, value) -> values.put((String) key, (String) value));
        }
        return values;
    }

    private SrDriver driver(ApiObject sr) {
        return stack.repositories().drivers().require(sr.text("type"));
    }

    /** A secret that does not exist yet may follow, before it is plugged in. */
    private void validate(ApiObject sr, Map<String, String> config) {
        new DeviceConfig(config).refuseUnknown(driver(sr).configuration());
    }

    private Map<String, String> keep(ApiObject sr, Map<String, String> config) {
        return stack.repositories().secrets().keep(driver(sr), config);
    }

    private List<ApiObject> ownedSecrets(ApiObject pbd) {
        return stack.repositories().secrets().owned(pbd.map("device_config"));
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
            List<ApiObject> gone = new ArrayList<>(ownedSecrets(pbd));
            gone.add(pbd);
            stack.database().delete(gone);
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
        ApiObject sr = repository(pbd);
        Map<String, String> config = config(call.arg("value"));
        validate(sr, config);
        Map<String, String> kept = keep(sr, config);
        List<ApiObject> former = new ArrayList<>(ownedSecrets(pbd));
        former.removeIf(secret -> kept.containsValue(secret.uuid()));
        stack.database().update("PBD", pbd.ref(), row -> row.with("device_config", kept));
        stack.database().delete(former);
    }
}
