// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.hv.xenapi.Messages;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/** Messages. */
final class MessageResource {
    private static final int LOWEST_PRIORITY = 5;

    /** Of the classes that messages are about, those that are served here, by their names there. */
    private static final Map<String, String> CLASSES =
            Map.of("VM", "VM", "Host", "host", "SR", "SR", "Pool", "pool", "VDI", "VDI");

    private final Toolstack stack;
    private final Messages messages;

    MessageResource(Toolstack stack) {
        this.stack = stack;
        this.messages = new Messages(stack.database(), stack.env().clock(), stack.env().random());
    }

    void bind(Handlers handlers) {
        handlers.bind("message.create", this::create)
                .bindVoid("message.destroy", this::destroy)
                .bindVoid("message.destroy_many", this::destroyMany)
                .bind("message.get", this::about)
                .bind("message.get_since", call -> since(call, _ -> true));
    }

    private String create(Call call) {
        String cls = call.text("cls");
        long priority = call.number("priority");
        if (priority < 1 || priority > LOWEST_PRIORITY) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "priority", Long.toString(priority), "a priority is from 1 to 5");
        }
        ApiObject object =
                Optional.ofNullable(CLASSES.get(cls))
                        .flatMap(name -> stack.database().findByUuid(name, call.text("obj_uuid")))
                        .orElseThrow(() -> ErrorCode.UUID_INVALID.with(cls, call.text("obj_uuid")));
        return messages.post(
                        call.text("name"), (int) priority, cls, object.uuid(), call.text("body"))
                .ref();
    }

    private void destroy(Call call) {
        stack.database().delete(List.of(stack.database().get("message", call.self())));
    }

    private void destroyMany(Call call) {
        stack.database()
                .delete(
                        call.set("messages").stream()
                                .map(ref -> stack.database().get("message", ref))
                                .toList());
    }

    private Map<String, Object> about(Call call) {
        String cls = call.text("cls");
        String uuid = call.text("obj_uuid");
        return since(
                call,
                message ->
                        message.text("cls").equals(cls) && message.text("obj_uuid").equals(uuid));
    }

    private static Map<String, Object> fields(ApiObject message) {
        Map<String, Object> fields = new TreeMap<>();
        message.type()
                .fields()
                .forEach(field -> fields.put(field.name(), message.value(field.name())));
        return fields;
    }

    private Map<String, Object> since(Call call, Predicate<ApiObject> wanted) {
        Map<String, Object> found = new TreeMap<>();
        for (ApiObject message : stack.database().all("message")) {
            // Points in time are kept in one form, whose texts are in the order of time.
            boolean newer = message.text("timestamp").compareTo(call.text("since")) > 0;
            if (newer && wanted.test(message)) {
                found.put(message.ref(), fields(message));
            }
        }
        return found;
    }
}
