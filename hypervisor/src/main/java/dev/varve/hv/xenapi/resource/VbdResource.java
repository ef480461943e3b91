// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** Connections of disks to VMs. */
final class VbdResource {
    private static final int MAX_DEVICES = 255;

    private final Toolstack stack;

    VbdResource(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bind("VBD.create", this::create)
                .bindVoid("VBD.destroy", this::destroy)
                .bindVoid("VBD.plug", this::plug)
                .bindVoid("VBD.unplug", this::unplug);
    }

    private ApiObject get(Call call) {
        return stack.database().get("VBD", call.self());
    }

    private String create(Call call) {
        Map<String, Object> fields =
                new RecordFields(call)
                        .take(
                                "VM",
                                "VDI",
                                "userdevice",
                                "bootable",
                                "mode",
                                "type",
                                "unpluggable",
                                "empty",
                                "other_config",
                                "qos_algorithm_type",
                                "qos_algorithm_params");
        ApiObject vm = stack.database().get("VM", (String) fields.get("VM"));
        String vdi = (String) fields.get("VDI");
        if (OpaqueRef.isNull(vdi)) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "VDI", vdi, "connections without a disk are not there yet");
        }
        Attachments.usable(stack.database().get("VDI", vdi));
        return stack.database()
                .write(
                        batch -> {
                            String device =
                                    device(vm, (String) fields.getOrDefault("userdevice", ""));
                            fields.put("userdevice", device);
                            fields.put("device", deviceName(device));
                            fields.put("empty", false);
                            return batch.create("VBD", stack.env().random().uuid(), fields);
                        })
                .ref();
    }

    /** The position that the user chose, or the first one that is free. */
    private String device(ApiObject vm, String chosen) {
        TreeSet<String> taken = new TreeSet<>();
        for (ApiObject vbd : stack.database().referring("VBD", "VM", vm.ref())) {
            taken.add(vbd.text("userdevice"));
        }
        if (chosen.isEmpty() || chosen.equals("autodetect")) {
            int free = 0;
            while (taken.contains(Integer.toString(free))) {
                free++;
            }
            return Integer.toString(free);
        }
        if (!isNumber(chosen)) {
            throw ErrorCode.INVALID_VALUE.with("userdevice", chosen);
        }
        if (taken.contains(chosen)) {
            throw ErrorCode.DEVICE_ALREADY_EXISTS.with(chosen);
        }
        return chosen;
    }

    private static boolean isNumber(String text) {
        return text.length() <= 3
                && text.chars().allMatch(c -> c >= '0' && c <= '9')
                && Integer.parseInt(text) <= MAX_DEVICES;
    }

    /** The name in the manner of disks: a to z, then aa and so on. */
    private static String deviceName(String position) {
        StringBuilder letters = new StringBuilder();
        for (int n = Integer.parseInt(position); n >= 0; n = n / 26 - 1) {
            letters.insert(0, (char) ('a' + n % 26));
        }
        return "xvd" + letters;
    }

    private void destroy(Call call) {
        ApiObject vbd = get(call);
        if (vbd.flag("currently_attached") || vbd.flag("wanted")) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    "the connection is plugged in; unplug it first");
        }
        stack.database().delete(List.of(vbd));
    }

    private void plug(Call call) {
        ApiObject vbd = get(call);
        ApiObject vdi = stack.database().get("VDI", vbd.text("VDI"));
        String task = stack.task(call);
        try (var _ = stack.operations().begin(vbd, "plug", task);
                var _ = stack.operations().begin(vdi, "blocked", task)) {
            stack.attachments().plug(get(call), call.operation());
        }
    }

    private void unplug(Call call) {
        ApiObject vbd = get(call);
        ApiObject vdi = stack.database().get("VDI", vbd.text("VDI"));
        String task = stack.task(call);
        try (var _ = stack.operations().begin(vbd, "unplug", task);
                var _ = stack.operations().begin(vdi, "blocked", task)) {
            stack.attachments().unplug(get(call), call.operation());
        }
    }

    /** What may be done with a connection now. */
    List<String> allowed(ApiObject vbd) {
        String operation = vbd.flag("currently_attached") ? "unplug" : "plug";
        return stack.operations().allows(vbd, operation) ? List.of(operation) : List.of();
    }

    /** Whether a connection could be plugged in now. */
    boolean attachable(ApiObject vbd) {
        return !vbd.flag("currently_attached")
                && stack.database()
                        .find(vbd.text("VDI"))
                        .filter(
                                vdi ->
                                        vdi.flag("managed")
                                                && !vdi.flag("missing")
                                                && stack.repositories().isAttached(vdi.text("SR"))
                                                && stack.attachments()
                                                        .activeConnection(vdi.ref())
                                                        .isEmpty())
                        .isPresent();
    }
}
