// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/** Secrets. */
final class SecretResource {
    private final Toolstack stack;

    SecretResource(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bind("secret.create", this::create)
                .bind("secret.introduce", this::introduce)
                .bindVoid("secret.destroy", this::destroy);
    }

    private String create(Call call) {
        Map<String, Object> sent = call.fields("record");
        Map<String, Object> fields = new TreeMap<>();
        for (String name : List.of("value", "other_config")) {
            if (sent.containsKey(name)) {
                fields.put(name, sent.get(name));
            }
        }
        if (!fields.containsKey("value")) {
            throw ErrorCode.FIELD_TYPE_ERROR.with("value");
        }
        return make(stack.env().random().uuid(), fields);
    }

    private String introduce(Call call) {
        UUID uuid = Uuids.parse("secret", call.text("uuid"));
        if (stack.database().findByUuid("secret", uuid.toString()).isPresent()) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with("there already is a secret " + uuid);
        }
        return make(
                uuid,
                Map.of("value", call.text("value"), "other_config", call.map("other_config")));
    }

    private String make(UUID uuid, Map<String, Object> fields) {
        return stack.database().create("secret", uuid, fields).ref();
    }

    private void destroy(Call call) {
        stack.database().delete(List.of(stack.database().get("secret", call.self())));
    }
}
