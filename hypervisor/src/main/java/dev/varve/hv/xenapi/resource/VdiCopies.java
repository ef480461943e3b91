// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Call;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;

import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * Disks that are made from others: snapshots, clones and copies; and the way back to a snapshot.
 */
final class VdiCopies {
    /** What a user has written to a disk's row and finds in those that are made from it. */
    private static final List<String> INHERITED =
            List.of("type", "other_config", "xenstore_data", "tags");

    private final Toolstack stack;

    VdiCopies(Toolstack stack) {
        this.stack = stack;
    }

    void bind(Handlers handlers) {
        handlers.bind("VDI.snapshot", this::snapshot)
                .bind("VDI.snapshot_group", this::snapshotGroup)
                .bind("VDI.clone", this::clone)
                .bind("VDI.copy", this::copy)
                .bindVoid("VDI.revert", this::revert);
    }

    private ApiObject usable(String ref) {
        return Attachments.usable(stack.database().get("VDI", ref));
    }

    private static UUID uuid(ApiObject vdi) {
        return UUID.fromString(vdi.uuid());
    }

    private String snapshot(Call call) {
        return take(call, List.of(usable(call.self()))).getFirst();
    }

    private List<String> snapshotGroup(Call call) {
        List<ApiObject> disks = call.set("vdis").stream().distinct().map(this::usable).toList();
        if (disks.isEmpty()) {
            throw ErrorCode.INVALID_VALUE.with("vdis", "");
        }
        for (ApiObject disk : disks) {
            if (!disk.text("SR").equals(disks.getFirst().text("SR"))) {
                throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                        "vdis", disk.ref(), "the disks of a group must be in one repository");
            }
        }
        return take(call, disks);
    }

    /** Takes snapshots of disks of one repository, in the order in which the disks are given. */
    private List<String> take(Call call, List<ApiObject> disks) {
        ApiObject sr = stack.repositoryOf(disks.getFirst());
        List<SnapshotSpec> specs = new ArrayList<>();
        List<String> touched = new ArrayList<>();
        for (ApiObject disk : disks) {
            SnapshotSpec spec = new SnapshotSpec(uuid(disk), stack.env().random().uuid());
            specs.add(spec);
            touched.add(disk.uuid());
            touched.add(spec.snapshot().toString());
        }
        String task = stack.task(call);
        try (var _ = stack.operations().begin(sr, "vdi_snapshot", task);
                var _ = stack.operations().beginAll(disks, "snapshot", task)) {
            return stack.repositories()
                    .working(sr, touched, () -> takeHeld(sr, specs, call.operation()));
        }
    }

    private List<String> takeHeld(ApiObject sr, List<SnapshotSpec> specs, Operation operation) {
        DiskChanges changes = stack.disks(sr).snapshot(specs, operation);
        stack.repositories()
                .apply(
                        sr,
                        changes,
                        batch ->
                                specs.forEach(
                                        spec -> inherit(batch, spec.source(), spec.snapshot())));
        return specs.stream().map(spec -> OpaqueRef.of(spec.snapshot())).toList();
    }

    private static void inherit(Database.Batch batch, UUID source, UUID made) {
        ApiObject from = batch.get("VDI", OpaqueRef.of(source));
        ApiObject to = batch.get("VDI", OpaqueRef.of(made));
        for (String field : INHERITED) {
            to = to.with(field, from.value(field));
        }
        batch.put(to);
    }

    private String clone(Call call) {
        ApiObject vdi = usable(call.self());
        ApiObject sr = stack.repositoryOf(vdi);
        UUID clone = stack.env().random().uuid();
        String task = stack.task(call);
        try (var _ = stack.operations().begin(sr, "vdi_clone", task);
                var _ = stack.operations().begin(vdi, "clone", task)) {
            return stack.repositories()
                    .working(
                            sr,
                            List.of(vdi.uuid(), clone.toString()),
                            () -> {
                                DiskChanges changes =
                                        stack.disks(sr).clone(uuid(vdi), clone, call.operation());
                                return keep(sr, vdi, clone, changes);
                            });
        }
    }

    /** Writes down what was made from a disk, with what the user had written to its row. */
    private String keep(ApiObject sr, ApiObject source, UUID made, DiskChanges changes) {
        stack.repositories().apply(sr, changes, batch -> inherit(batch, uuid(source), made));
        return OpaqueRef.of(made);
    }

    private String copy(Call call) {
        refuse(call, "base_vdi", "copies of the difference to a disk are not there yet");
        refuse(call, "into_vdi", "copies into a disk are not there yet");
        ApiObject vdi = usable(call.self());
        ApiObject from = stack.repositoryOf(vdi);
        ApiObject to = stack.database().get("SR", call.text("sr"));
        UUID copy = stack.env().random().uuid();
        String task = stack.task(call);
        List<ApiObject> both = from.ref().equals(to.ref()) ? List.of(to) : List.of(from, to);
        try (var _ = stack.operations().beginAll(both, "vdi_copy", task);
                var _ = stack.operations().begin(vdi, "copy", task)) {
            refuseWritten(vdi, "copy");
            return stack.repositories()
                    .working(
                            to,
                            List.of(copy.toString()),
                            () -> {
                                VdiInfo made = copy(vdi, from, to, copy, call.operation());
                                DiskChanges changes = new DiskChanges(List.of(made), List.of());
                                return keep(to, vdi, copy, changes);
                            });
        }
    }

    private static void refuse(Call call, String param, String reason) {
        String ref = call.text(param);
        if (!OpaqueRef.isNull(ref)) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(param, ref, reason);
        }
    }

    private VdiInfo copy(
            ApiObject vdi, ApiObject from, ApiObject to, UUID copy, Operation operation) {
        DiskService disks = stack.disks(from);
        VdiInfo source =
                disks.find(uuid(vdi))
                        .orElseThrow(() -> ErrorCode.VDI_MISSING.with(from.ref(), vdi.ref()));
        VdiSpec spec =
                new VdiSpec(
                        copy,
                        source.kind(),
                        source.virtualSizeBytes(),
                        source.label(),
                        source.description(),
                        false);
        return disks.copy(source.uuid(), stack.disks(to), spec, operation);
    }

    private void refuseWritten(ApiObject vdi, String operation) {
        if (stack.attachments().isWritten(vdi.ref())) {
            throw ErrorCode.VDI_IN_USE.with(vdi.ref(), operation);
        }
    }

    private void revert(Call call) {
        ApiObject vdi = usable(call.self());
        ApiObject snapshot = usable(call.text("snapshot"));
        refuseForeign(snapshot, vdi);
        ApiObject sr = stack.repositoryOf(vdi);
        String task = stack.task(call);
        try (var _ = stack.operations().begin(sr, "vdi_revert", task);
                var _ = stack.operations().begin(vdi, "revert_to", task);
                var _ = stack.operations().begin(snapshot, "revert_from", task)) {
            stack.refuseInUse(vdi, "revert_to");
            refuseWritten(snapshot, "revert_from");
            stack.repositories()
                    .working(
                            sr,
                            List.of(vdi.uuid(), snapshot.uuid()),
                            () -> {
                                DiskChanges changes =
                                        stack.disks(sr)
                                                .revert(
                                                        uuid(vdi),
                                                        uuid(snapshot),
                                                        call.operation());
                                stack.repositories().apply(sr, changes, _ -> {});
                                return null;
                            });
        }
    }

    private static void refuseForeign(ApiObject snapshot, ApiObject vdi) {
        if (!snapshot.text("snapshot_of").equals(vdi.ref())) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    snapshot.uuid() + " is not a snapshot of " + vdi.uuid());
        }
        if (!snapshot.text("SR").equals(vdi.text("SR"))) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "snapshot", snapshot.ref(), "the snapshot is in another repository");
        }
    }
}
