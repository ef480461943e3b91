// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Storage repositories. */
final class SrResource {
    private static final List<String> TRACKING =
            List.of(
                    "vdi_enable_cbt",
                    "vdi_disable_cbt",
                    "vdi_data_destroy",
                    "vdi_list_changed_blocks");

    private final Toolstack stack;

    SrResource(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bind("SR.create", this::create)
                .bind("SR.introduce", this::introduce)
                .bind("SR.probe", this::probe)
                .bind("SR.get_supported_types", _ -> stack.repositories().drivers().types())
                .bind("SR.get_paths", this::paths)
                .bind("SR.get_handback_problems", this::handbackProblems)
                .bindVoid("SR.forget", this::forget)
                .bindVoid("SR.destroy", this::destroy)
                .bindVoid("SR.scan", this::scan)
                .bindVoid("SR.update", this::update)
                .bindVoid("SR.set_name_label", call -> rename(call, true))
                .bindVoid("SR.set_name_description", call -> rename(call, false));
    }

    private ApiObject get(String ref) {
        return stack.database().get("SR", ref);
    }

    private String create(Call call) {
        requireThisHost(call.text("host"));
        SrDriver driver = stack.repositories().drivers().require(call.text("type"));
        DeviceConfig config = config(call, driver);
        UUID uuid = stack.env().random().uuid();
        ApiObject sr = row(call, uuid);
        try (var _ = stack.operations().begin(sr, "plug", stack.task(call))) {
            make(call, driver, sr, config);
        }
        return sr.ref();
    }

    private DeviceConfig config(Call call, SrDriver driver) {
        return stack.repositories().secrets().resolve(driver, call.map("device_config"));
    }

    private void make(Call call, SrDriver driver, ApiObject sr, DeviceConfig config) {
        SrContext context = stack.repositories().context(call.operation());
        try {
            driver.create(stack.repositories().identity(sr), config, context);
        } catch (RuntimeException e) {
            stack.repositories().forgetRows(sr);
            throw e;
        }
        Map<String, String> kept =
                stack.repositories().secrets().keep(driver, call.map("device_config"));
        ApiObject pbd = connection(sr, call.text("host"), kept);
        try {
            stack.repositories().plug(pbd.ref(), call.operation());
        } catch (RuntimeException e) {
            undoCreate(driver, sr, config, context, e);
            throw e;
        }
        stack.healer().watch(pbd.ref());
    }

    /** A repository that was made but cannot be used is taken away again: it is still empty. */
    private void undoCreate(
            SrDriver driver,
            ApiObject sr,
            DeviceConfig config,
            SrContext context,
            RuntimeException failure) {
        stack.repositories().forgetRows(sr);
        try {
            driver.destroy(stack.repositories().identity(sr), config, context);
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    private ApiObject row(Call call, UUID uuid) {
        return stack.database()
                .create(
                        "SR",
                        uuid,
                        Map.of(
                                "name_label", call.text("name_label"),
                                "name_description", call.text("name_description"),
                                "type", call.text("type"),
                                "content_type", call.text("content_type"),
                                "shared", call.flag("shared"),
                                "sm_config", call.map("sm_config")));
    }

    private ApiObject connection(ApiObject sr, String host, Map<String, String> config) {
        return stack.database()
                .create(
                        "PBD",
                        stack.env().random().uuid(),
                        Map.of("host", host, "SR", sr.ref(), "device_config", config));
    }

    private void requireThisHost(String host) {
        stack.database().get("host", host);
    }

    private String introduce(Call call) {
        stack.repositories().drivers().require(call.text("type"));
        UUID uuid = Uuids.parse("SR", call.text("uuid"));
        stack.database()
                .findByUuid("SR", uuid.toString())
                .ifPresent(
                        known -> {
                            throw ErrorCode.SR_UUID_EXISTS.with(known.uuid());
                        });
        ApiObject row = row(call, uuid);
        // The user named it now, so its medium follows when it is attached.
        stack.database()
                .update(
                        "SR",
                        row.ref(),
                        sr -> sr.with("medium_outdated", true).with("introduced", true));
        return row.ref();
    }

    private String probe(Call call) {
        requireThisHost(call.text("host"));
        SrDriver driver = stack.repositories().drivers().require(call.text("type"));
        ProbeResult found =
                driver.probe(config(call, driver), stack.repositories().context(call.operation()));
        return ProbeXml.of(found);
    }

    private List<Map<String, String>> paths(Call call) {
        ApiObject sr = get(call.self());
        return stack.repositories().paths(sr.ref()).stream().map(SrResource::path).toList();
    }

    private static Map<String, String> path(PathHealth path) {
        return Map.of(
                "device", path.device(),
                "path", path.path(),
                "state", path.healthy() ? "active" : "failed",
                "failures", Long.toString(path.failures()),
                "last_error", path.lastError());
    }

    private List<String> handbackProblems(Call call) {
        ApiObject sr = get(call.self());
        return stack.repositories()
                .session(sr.ref())
                .sr()
                .handback(images(sr, call))
                .orElseThrow(() -> ErrorCode.SR_OPERATION_NOT_SUPPORTED.with(sr.ref()));
    }

    private List<AttachedSr.Image> images(ApiObject sr, Call call) {
        List<VdiInfo> disks = stack.disks(sr).scan(call.operation());
        Map<UUID, VolumeId> ids = new HashMap<>();
        disks.forEach(disk -> ids.put(disk.uuid(), new VolumeId(disk.kind(), disk.uuid())));
        return disks.stream()
                .filter(disk -> disk.kind().isDisk())
                .map(
                        disk ->
                                new AttachedSr.Image(
                                        ids.get(disk.uuid()),
                                        disk.virtualSizeBytes(),
                                        disk.parent().map(ids::get)))
                .toList();
    }

    private void refusePlugged(ApiObject sr) {
        for (ApiObject pbd : stack.database().referring("PBD", "SR", sr.ref())) {
            if (pbd.flag("currently_attached") || pbd.flag("wanted")) {
                throw ErrorCode.SR_HAS_PBD.with(sr.ref());
            }
        }
    }

    private void forget(Call call) {
        ApiObject sr = get(call.self());
        try (var _ = stack.operations().begin(sr, "forget", stack.task(call))) {
            refusePlugged(sr);
            stack.repositories().forgetRows(sr);
        }
    }

    private void destroy(Call call) {
        ApiObject sr = get(call.self());
        try (var _ = stack.operations().begin(sr, "destroy", stack.task(call))) {
            refusePlugged(sr);
            boolean holds =
                    stack.database().referring("VDI", "SR", sr.ref()).stream()
                            .anyMatch(vdi -> !vdi.flag("missing"));
            if (holds) {
                throw ErrorCode.SR_NOT_EMPTY.with(sr.ref());
            }
            ApiObject pbd =
                    stack.repositories()
                            .connection(sr.ref())
                            .orElseThrow(() -> ErrorCode.SR_HAS_NO_PBDS.with(sr.ref()));
            stack.repositories()
                    .drivers()
                    .require(sr.text("type"))
                    .destroy(
                            stack.repositories().identity(sr),
                            stack.repositories().config(pbd),
                            stack.repositories().context(call.operation()));
            stack.repositories().forgetRows(sr);
        }
    }

    private void scan(Call call) {
        ApiObject sr = get(call.self());
        try (var _ = stack.operations().begin(sr, "scan", stack.task(call))) {
            stack.repositories().scan(sr, call.operation());
        }
    }

    private void update(Call call) {
        ApiObject sr = get(call.self());
        try (var _ = stack.operations().begin(sr, "update", stack.task(call))) {
            stack.repositories().update(sr);
        }
    }

    private void rename(Call call, boolean label) {
        ApiObject sr = get(call.self());
        String value = call.text("value");
        stack.repositories()
                .rename(
                        sr.ref(),
                        label ? value : sr.text("name_label"),
                        label ? sr.text("name_description") : value);
    }

    /** What may be done with a repository now. */
    List<String> allowed(ApiObject sr) {
        List<String> allowed = new ArrayList<>();
        boolean attached = stack.repositories().isAttached(sr.ref());
        if (attached) {
            allowed.addAll(List.of("unplug", "scan", "update"));
            Set<SrCapability> can = declared(sr);
            offer(allowed, can, SrCapability.VDI_CREATE, "vdi_create");
            offer(allowed, can, SrCapability.VDI_DELETE, "vdi_destroy");
            offer(allowed, can, SrCapability.VDI_RESIZE, "vdi_resize");
            offer(allowed, can, SrCapability.VDI_RESIZE_ONLINE, "vdi_resize_online");
            offer(allowed, can, SrCapability.VDI_SNAPSHOT, "vdi_snapshot");
            offer(allowed, can, SrCapability.VDI_CLONE, "vdi_clone");
            offer(allowed, can, SrCapability.VDI_REVERT, "vdi_revert");
            for (String operation : TRACKING) {
                offer(allowed, can, SrCapability.VDI_CONFIG_CBT, operation);
            }
            allowed.addAll(List.of("vdi_copy", "vdi_forget", "vdi_update"));
        } else {
            allowed.addAll(List.of("plug", "forget", "destroy", "pbd_destroy"));
        }
        allowed.add("pbd_create");
        allowed.removeIf(operation -> !stack.operations().allows(sr, operation));
        return allowed;
    }

    /** Nothing when the driver of a repository is not installed any more. */
    private Set<SrCapability> declared(ApiObject sr) {
        try {
            return stack.capabilities(sr);
        } catch (StorageException e) {
            return Set.of();
        }
    }

    private static void offer(
            List<String> allowed, Set<SrCapability> can, SrCapability needed, String operation) {
        if (can.contains(needed)) {
            allowed.add(operation);
        }
    }
}
