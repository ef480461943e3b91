// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.transfer.DiskExport;
import dev.varve.vdi.transfer.RawExport;
import dev.varve.vdi.transfer.StreamImport;
import dev.varve.vdi.transfer.TransferFormat;
import dev.varve.vdi.transfer.VhdExport;
import dev.varve.vdi.vhd.VhdFormat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * Disks that go out as streams and come in as streams. One that goes out is shown as being copied,
 * one that comes in as blocked: the API has no names of its own for these.
 *
 * <p><b>Threads:</b> any that may block.
 */
public final class VdiTransfers {
    private static final String OUT = "copy";
    private static final String IN = "blocked";

    private final Toolstack stack;
    private final VhdFormat vhd;

    /** The transfers of a toolstack. */
    public VdiTransfers(Toolstack stack) {
        this.stack = stack;
        this.vhd = new VhdFormat(stack.env().clock());
    }

    /** Who sends what goes out. */
    @FunctionalInterface
    public interface Taker {
        /** Sends it. */
        void take(DiskExport export) throws IOException;
    }

    /**
     * A disk by its reference or its UUID.
     *
     * @throws dev.varve.vdi.StorageException HANDLE_INVALID
     */
    public ApiObject disk(String name) {
        return find("VDI", name);
    }

    /** A repository by its reference or its UUID. */
    public ApiObject repository(String name) {
        return find("SR", name);
    }

    private ApiObject find(String type, String name) {
        return stack.database()
                .findByUuid(type, name)
                .orElseGet(() -> stack.database().get(type, name));
    }

    // ---- out

    /**
     * Has somebody send what a disk holds.
     *
     * @param base of what is sent only the difference to this disk
     * @param task under which it is shown
     * @throws dev.varve.vdi.StorageException VDI_IN_USE while one of the disks is attached for
     *     writing: then a snapshot can be sent
     */
    public void send(
            ApiObject vdi,
            Optional<ApiObject> base,
            TransferFormat format,
            String task,
            Operation operation,
            Taker taker)
            throws IOException {
        Attachments.usable(vdi);
        base.ifPresent(Attachments::usable);
        base.ifPresent(other -> refuseOddBase(vdi, other, format));
        ApiObject sr = stack.repositoryOf(vdi);
        List<ApiObject> disks = base.map(other -> List.of(other, vdi)).orElse(List.of(vdi));
        try (var _ = stack.operations().begin(sr, "vdi_" + OUT, task);
                var _ = stack.operations().beginAll(disks, OUT, task)) {
            disks.forEach(this::refuseWritten);
            DiskService service = stack.disks(sr);
            if (base.isPresent()) {
                service.compare(
                        uuid(base.get()),
                        uuid(vdi),
                        (both, under) -> take(taker, VhdExport.of(both, vhd, under)),
                        operation);
            } else {
                service.read(
                        uuid(vdi),
                        (disk, under) ->
                                take(
                                        taker,
                                        format == TransferFormat.RAW
                                                ? RawExport.of(disk, under)
                                                : VhdExport.of(disk, vhd, under)),
                        operation);
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static void take(Taker taker, DiskExport export) {
        try {
            taker.take(export);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void refuseOddBase(ApiObject vdi, ApiObject base, TransferFormat format) {
        if (format == TransferFormat.RAW) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "base",
                    base.uuid(),
                    "a raw stream cannot leave out what did not change; use format=vhd");
        }
        if (base.ref().equals(vdi.ref())) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "base", base.uuid(), "a disk does not differ from itself");
        }
        if (!base.text("SR").equals(vdi.text("SR"))) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "base", base.uuid(), "the base is in another repository");
        }
    }

    private void refuseWritten(ApiObject vdi) {
        if (stack.attachments().isWritten(vdi.ref())) {
            throw ErrorCode.VDI_IN_USE.with(vdi.ref(), "export: take a snapshot and export that");
        }
    }

    // ---- in

    /**
     * Gives a disk the content of a stream.
     *
     * @param task under which it is shown
     * @param ready run when nothing speaks against it, before the stream is read
     * @throws dev.varve.vdi.StorageException VDI_IN_USE while it is attached, VDI_READONLY,
     *     OPERATION_NOT_ALLOWED for a snapshot
     */
    public void receive(
            ApiObject vdi,
            String task,
            Operation operation,
            Runnable ready,
            Supplier<StreamImport> stream) {
        Attachments.usable(vdi);
        if (vdi.flag("read_only")) {
            throw ErrorCode.VDI_READONLY.with(vdi.ref());
        }
        if (vdi.flag("is_a_snapshot")) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    "disk "
                            + vdi.uuid()
                            + " is a snapshot, which keeps what it holds; clone it and"
                            + " import into the clone");
        }
        ApiObject sr = stack.repositoryOf(vdi);
        try (var _ = stack.operations().begin(sr, "vdi_" + IN, task);
                var _ = stack.operations().begin(vdi, IN, task)) {
            stack.refuseInUse(vdi, "import");
            stack.repositories()
                    .working(
                            sr,
                            List.of(vdi.uuid()),
                            () -> {
                                DiskService disks = stack.disks(sr);
                                ready.run();
                                DiskChanges changes = put(disks, vdi, stream.get(), operation);
                                stack.repositories().apply(sr, changes, _ -> {});
                                return vdi;
                            });
        }
    }

    private static DiskChanges put(
            DiskService disks, ApiObject vdi, StreamImport stream, Operation operation) {
        return stream.isOverContent()
                ? disks.overwrite(uuid(vdi), stream, operation)
                : disks.replace(uuid(vdi), stream, operation);
    }

    /**
     * Makes a disk of a stream.
     *
     * @param sizeBytes of the disk
     * @return the reference to the disk
     */
    public String receiveNew(
            ApiObject sr,
            long sizeBytes,
            String task,
            Operation operation,
            Runnable ready,
            Supplier<StreamImport> stream) {
        UUID uuid = stack.env().random().uuid();
        VdiSpec spec = new VdiSpec(uuid, VolumeKind.VHD, sizeBytes, "Imported disk", "", false);
        try (var _ = stack.operations().begin(sr, "vdi_create", task)) {
            return stack.repositories()
                    .working(
                            sr,
                            List.of(uuid.toString()),
                            () -> {
                                DiskService disks = stack.disks(sr);
                                ready.run();
                                VdiInfo made = disks.create(spec, stream.get(), operation);
                                stack.repositories()
                                        .apply(
                                                sr,
                                                new DiskChanges(List.of(made), List.of()),
                                                _ -> {});
                                return OpaqueRef.of(uuid);
                            });
        }
    }

    private static UUID uuid(ApiObject vdi) {
        return UUID.fromString(vdi.uuid());
    }
}
