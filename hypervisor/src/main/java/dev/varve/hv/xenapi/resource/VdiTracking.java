// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.sr.spi.SrCapability;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.disk.DiskChanges;

import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;

/** Changed blocks of disks. */
final class VdiTracking {
    /** What disks have to be for that their changed blocks can be tracked. */
    private static final Set<String> TYPES = Set.of("user", "system");

    private final Toolstack stack;

    VdiTracking(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bindVoid("VDI.enable_cbt", call -> track(call, true))
                .bindVoid("VDI.disable_cbt", call -> track(call, false))
                .bindVoid("VDI.data_destroy", this::destroyData)
                .bind("VDI.list_changed_blocks", this::changedBlocks);
    }

    private ApiObject present(String ref) {
        return Attachments.present(stack.database().get("VDI", ref));
    }

    private static UUID uuid(ApiObject vdi) {
        return UUID.fromString(vdi.uuid());
    }

    private <T> T on(Call call, ApiObject vdi, String operation, Supplier<T> work) {
        ApiObject sr = stack.repositoryOf(vdi);
        String task = stack.task(call);
        try (var _ = stack.operations().begin(sr, "vdi_" + operation, task);
                var _ = stack.operations().begin(vdi, operation, task)) {
            return stack.repositories().working(sr, List.of(vdi.uuid()), work);
        }
    }

    private void track(Call call, boolean tracked) {
        ApiObject vdi = Attachments.usable(present(call.self()));
        if (!TYPES.contains(vdi.text("type"))) {
            throw ErrorCode.VDI_INCOMPATIBLE_TYPE.with(vdi.ref(), vdi.text("type"));
        }
        if (tracked && vdi.flag("is_a_snapshot")) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with("VDI is a snapshot: " + vdi.ref());
        }
        ApiObject sr = stack.repositoryOf(vdi);
        on(
                call,
                vdi,
                tracked ? "enable_cbt" : "disable_cbt",
                () -> {
                    stack.repositories()
                            .refresh(
                                    sr,
                                    stack.disks(sr)
                                            .trackChanges(uuid(vdi), tracked, call.operation()));
                    return null;
                });
    }

    private void destroyData(Call call) {
        ApiObject vdi = present(call.self());
        if (Attachments.isLogOnly(vdi)) {
            return; // that has happened already
        }
        if (!vdi.flag("is_a_snapshot")) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with("VDI is not a snapshot: " + vdi.ref());
        }
        if (!vdi.flag("cbt_enabled")) {
            throw ErrorCode.VDI_NO_CBT_METADATA.with(vdi.ref());
        }
        ApiObject sr = stack.repositoryOf(vdi);
        on(
                call,
                vdi,
                "data_destroy",
                () -> {
                    stack.refuseInUse(vdi, "data_destroy");
                    DiskChanges changes = stack.disks(sr).destroyData(uuid(vdi), call.operation());
                    stack.repositories().apply(sr, changes, _ -> {});
                    return null;
                });
    }

    /** Nothing else has to wait for this: it reads logs only. */
    private String changedBlocks(Call call) {
        ApiObject from = present(call.self());
        ApiObject to = present(call.text("vdi_to"));
        if (!from.text("SR").equals(to.text("SR"))) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "vdi_to", to.ref(), "the disks are in different repositories");
        }
        for (ApiObject vdi : List.of(from, to)) {
            if (!vdi.flag("cbt_enabled")) {
                throw ErrorCode.VDI_NO_CBT_METADATA.with(vdi.ref());
            }
        }
        ApiObject sr = stack.repositoryOf(to);
        try (var _ = stack.operations().begin(sr, "vdi_list_changed_blocks", stack.task(call))) {
            return stack.disks(sr).changedBlocks(uuid(from), uuid(to), call.operation()).toBase64();
        }
    }

    /** Adds what may be done now that has to do with changed blocks. */
    static void addAllowed(
            ApiObject vdi, Toolstack stack, Set<SrCapability> can, List<String> allowed) {
        if (!can.contains(SrCapability.VDI_CONFIG_CBT)) {
            return;
        }
        if (TYPES.contains(vdi.text("type"))) {
            allowed.add("disable_cbt");
            if (!vdi.flag("is_a_snapshot")) {
                allowed.add("enable_cbt");
            }
        }
        if (!vdi.flag("cbt_enabled")) {
            return;
        }
        allowed.add("list_changed_blocks");
        if (vdi.flag("is_a_snapshot") && !stack.attachments().isInUse(vdi.ref())) {
            allowed.add("data_destroy");
        }
    }
}
