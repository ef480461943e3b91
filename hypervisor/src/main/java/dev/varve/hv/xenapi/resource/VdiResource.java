// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.sr.spi.SrCapability;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.store.VolumeKind;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Supplier;

/** Virtual disk images. */
final class VdiResource {
    private final Toolstack stack;

    VdiResource(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bind("VDI.create", this::create)
                .bindVoid("VDI.destroy", this::destroy)
                .bindVoid("VDI.resize", call -> resize(call, false))
                .bindVoid("VDI.resize_online", call -> resize(call, true))
                .bindVoid("VDI.forget", this::forget)
                .bindVoid("VDI.update", this::update)
                .bindVoid("VDI.set_name_label", call -> rename(call, true))
                .bindVoid("VDI.set_name_description", call -> rename(call, false));
    }

    /** The repository that the record of a new disk names. */
    static String repository(Map<String, Object> record) {
        if (record.get("SR") instanceof String sr) {
            return sr;
        }
        throw ErrorCode.FIELD_TYPE_ERROR.with("SR");
    }

    private ApiObject get(Call call) {
        return stack.database().get("VDI", call.self());
    }

    private String create(Call call) {
        Map<String, Object> fields =
                new RecordFields(call)
                        .take(
                                "SR",
                                "virtual_size",
                                "name_label",
                                "name_description",
                                "type",
                                "sharable",
                                "read_only",
                                "other_config",
                                "xenstore_data",
                                "sm_config",
                                "tags");
        ApiObject sr = stack.database().get("SR", (String) fields.get("SR"));
        UUID uuid = stack.env().random().uuid();
        VdiSpec spec =
                new VdiSpec(
                        uuid,
                        kind(fields),
                        (Long) fields.get("virtual_size"),
                        (String) fields.getOrDefault("name_label", ""),
                        (String) fields.getOrDefault("name_description", ""),
                        (Boolean) fields.getOrDefault("read_only", false),
                        isThick(fields));
        try (var _ = stack.operations().begin(sr, "vdi_create", stack.task(call))) {
            return stack.repositories()
                    .working(
                            sr,
                            List.of(uuid.toString()),
                            () -> {
                                VdiInfo made = stack.disks(sr).create(spec, call.operation());
                                return row(sr, made, fields);
                            });
        }
    }

    private static VolumeKind kind(Map<String, Object> fields) {
        Map<?, ?> config = (Map<?, ?>) fields.getOrDefault("sm_config", Map.of());
        for (String key : List.of("type", "image-format")) {
            if (config.get(key) instanceof String format) {
                return switch (format.toLowerCase(Locale.ROOT)) {
                    case "raw" -> VolumeKind.RAW;
                    case "vhd" -> VolumeKind.VHD;
                    default ->
                            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                                    "sm_config:" + key, format, "the formats are vhd and raw");
                };
            }
        }
        return VolumeKind.VHD;
    }

    private static boolean isThick(Map<String, Object> fields) {
        Map<?, ?> config = (Map<?, ?>) fields.getOrDefault("sm_config", Map.of());
        Object allocation = config.get("allocation");
        boolean thick = "thick".equals(allocation);
        if (allocation != null && !thick && !"thin".equals(allocation)) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "sm_config:allocation",
                    allocation.toString(),
                    "a disk is allocated thin or thick");
        }
        return thick;
    }

    private String row(ApiObject sr, VdiInfo made, Map<String, Object> fields) {
        Map<String, Object> all = new TreeMap<>(fields);
        Map<String, String> config = new TreeMap<>(made.smConfig());
        if (fields.get("sm_config") instanceof Map<?, ?> asked) {
            asked.forEach((key, value) -> config.putIfAbsent((String) key, (String) value));
        }
        all.put("sm_config", config);
        all.put("SR", sr.ref());
        all.put("location", made.uuid().toString());
        all.put("name_label", made.label());
        all.put("name_description", made.description());
        all.put("virtual_size", made.virtualSizeBytes());
        all.put("physical_utilisation", made.physicalUtilisationBytes());
        all.put("read_only", made.readOnly());
        return stack.database().create("VDI", made.uuid(), all).ref();
    }

    /** Works on one disk that is there, holding it and its repository. */
    private <T> T on(Call call, ApiObject vdi, String operation, Supplier<T> work) {
        ApiObject sr = stack.repositoryOf(vdi);
        String task = stack.task(call);
        try (var _ = stack.operations().begin(sr, "vdi_" + operation, task);
                var _ = stack.operations().begin(vdi, operation, task)) {
            return stack.repositories().working(sr, List.of(vdi.uuid()), work);
        }
    }

    private void destroy(Call call) {
        ApiObject vdi = Attachments.present(get(call));
        ApiObject sr = stack.repositoryOf(vdi);
        on(
                call,
                vdi,
                "destroy",
                () -> {
                    stack.refuseInUse(vdi, "destroy");
                    UUID uuid = UUID.fromString(vdi.uuid());
                    DiskChanges changes = stack.disks(sr).destroy(uuid, call.operation());
                    stack.repositories().apply(sr, changes, _ -> {});
                    return null;
                });
    }

    private void resize(Call call, boolean online) {
        ApiObject vdi = Attachments.usable(get(call));
        ApiObject sr = stack.repositoryOf(vdi);
        String operation = online ? "resize_online" : "resize";
        on(
                call,
                vdi,
                operation,
                () -> {
                    if (!online) {
                        stack.refuseInUse(vdi, operation);
                    }
                    long size = call.number("size");
                    if (size < vdi.number("virtual_size")) {
                        throw ErrorCode.VDI_TOO_SMALL.with(
                                vdi.ref(), Long.toString(vdi.number("virtual_size")));
                    }
                    stack.repositories()
                            .refresh(
                                    sr,
                                    stack.disks(sr)
                                            .resize(
                                                    UUID.fromString(vdi.uuid()),
                                                    size,
                                                    call.operation()));
                    return null;
                });
    }

    private void forget(Call call) {
        ApiObject vdi = get(call);
        String task = stack.task(call);
        try (var _ = stack.operations().begin(stack.repositoryOf(vdi), "vdi_forget", task);
                var _ = stack.operations().begin(vdi, "forget", task)) {
            stack.refuseInUse(vdi, "forget");
            List<ApiObject> gone =
                    new ArrayList<>(stack.database().referring("VBD", "VDI", vdi.ref()));
            gone.add(vdi);
            stack.database().delete(gone);
        }
    }

    private void update(Call call) {
        ApiObject vdi = get(call);
        ApiObject sr = stack.repositoryOf(vdi);
        on(
                call,
                vdi,
                "update",
                () -> {
                    VdiInfo info =
                            stack.disks(sr)
                                    .find(UUID.fromString(vdi.uuid()))
                                    .orElseThrow(
                                            () -> ErrorCode.VDI_MISSING.with(sr.ref(), vdi.ref()));
                    stack.repositories().refresh(sr, info);
                    return null;
                });
    }

    private void rename(Call call, boolean label) {
        ApiObject vdi = Attachments.usable(get(call));
        ApiObject sr = stack.repositoryOf(vdi);
        String value = call.text("value");
        String name = label ? value : vdi.text("name_label");
        String description = label ? vdi.text("name_description") : value;
        on(
                call,
                vdi,
                "update",
                () -> {
                    stack.repositories()
                            .refresh(
                                    sr,
                                    stack.disks(sr)
                                            .rename(
                                                    UUID.fromString(vdi.uuid()),
                                                    name,
                                                    description));
                    return null;
                });
    }

    /** What may be done with a disk now. */
    List<String> allowed(ApiObject vdi) {
        List<String> allowed = new ArrayList<>();
        if (!stack.attachments().isInUse(vdi.ref())) {
            allowed.add("forget");
        }
        if (vdi.flag("managed")
                && !vdi.flag("missing")
                && stack.repositories().isAttached(vdi.text("SR"))) {
            Set<SrCapability> can = stack.capabilities(stack.repositoryOf(vdi));
            allowed.add("update");
            addOwn(vdi, can, allowed);
            if (!Attachments.isLogOnly(vdi)) {
                addShared(vdi, can, allowed);
            }
            VdiTracking.addAllowed(vdi, stack, can, allowed);
        }
        allowed.removeIf(operation -> !stack.operations().allows(vdi, operation));
        return allowed;
    }

    private void addOwn(ApiObject vdi, Set<SrCapability> can, List<String> allowed) {
        boolean free = !stack.attachments().isInUse(vdi.ref());
        if (free && can.contains(SrCapability.VDI_DELETE)) {
            allowed.add("destroy");
        }
        if (Attachments.isLogOnly(vdi)) {
            return;
        }
        if (free && can.contains(SrCapability.VDI_RESIZE)) {
            allowed.add("resize");
        }
        if (can.contains(SrCapability.VDI_RESIZE_ONLINE)) {
            allowed.add("resize_online");
        }
    }

    /** The operations that read a disk, or have to do with its snapshots. */
    private void addShared(ApiObject vdi, Set<SrCapability> can, List<String> allowed) {
        boolean still = !stack.attachments().isWritten(vdi.ref());
        if (can.contains(SrCapability.VDI_SNAPSHOT)) {
            allowed.add("snapshot");
        }
        if (can.contains(SrCapability.VDI_CLONE)) {
            allowed.add("clone");
        }
        if (still) {
            allowed.add("copy");
        }
        if (can.contains(SrCapability.VDI_REVERT)) {
            boolean free = !stack.attachments().isInUse(vdi.ref());
            if (free && hasSnapshots(vdi)) {
                allowed.add("revert_to");
            }
            if (still && stack.database().find(vdi.text("snapshot_of")).isPresent()) {
                allowed.add("revert_from");
            }
        }
    }

    private boolean hasSnapshots(ApiObject vdi) {
        return !stack.database().referring("VDI", "snapshot_of", vdi.ref()).isEmpty();
    }
}
