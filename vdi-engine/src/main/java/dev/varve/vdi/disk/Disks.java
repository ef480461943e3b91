// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * The operations on disks over any volume store.
 *
 * <p>A new disk is made as a volume of kind {@link VolumeKind#INCOMING} and becomes visible by one
 * rename, so a crash leaves either nothing, after {@link VolumeStore#recover()}, or the whole disk.
 */
public final class Disks implements DiskService {
    /** The attribute that holds a disk's name. */
    public static final String LABEL = "name-label";

    /** The attribute that holds a disk's description. */
    public static final String DESCRIPTION = "name-description";

    private static final String READ_ONLY = "read-only";

    private final VolumeStore store;
    private final VdiEngine engine;
    private final Map<VolumeKind, ImageFormat> formats;

    /**
     * @param formats the format of each kind of disk volume
     */
    public Disks(VolumeStore store, VdiEngine engine, Map<VolumeKind, ImageFormat> formats) {
        this.store = store;
        this.engine = engine;
        this.formats = Map.copyOf(formats);
    }

    /** The format of a disk volume. */
    public ImageFormat format(VolumeKind kind) {
        ImageFormat format = formats.get(kind);
        if (format == null) {
            throw ErrorCode.VDI_TYPE.because(
                    "there is no image format for volumes of kind " + kind);
        }
        return format;
    }

    @Override
    public List<VdiInfo> scan(Operation operation) {
        List<VolumeInfo> volumes =
                store.list().stream().filter(info -> info.id().kind().isDisk()).toList();
        List<VdiInfo> disks = new ArrayList<>();
        for (VolumeInfo volume : volumes) {
            operation.checkpoint();
            disks.add(inspect(volume, operation));
            operation.progress(disks.size(), volumes.size());
        }
        return disks;
    }

    @Override
    public Optional<VdiInfo> find(UUID vdi) {
        Operation operation = Operation.unbounded("look at a disk", clock());
        return volume(vdi).map(info -> inspect(info, operation));
    }

    private dev.varve.vdi.time.Clock clock() {
        return engine.lanes().getFirst().clock();
    }

    private Optional<VolumeInfo> volume(UUID vdi) {
        for (VolumeKind kind : VolumeKind.values()) {
            if (kind.isDisk()) {
                Optional<VolumeInfo> found = store.find(new VolumeId(kind, vdi));
                if (found.isPresent()) {
                    return found;
                }
            }
        }
        return Optional.empty();
    }

    /** The volume of a disk, or VDI_NOT_ON_STORAGE. */
    public VolumeInfo require(UUID vdi) {
        return volume(vdi)
                .orElseThrow(
                        () ->
                                ErrorCode.VDI_NOT_ON_STORAGE.because(
                                        "there is no disk " + vdi + " in this repository"));
    }

    /** A disk that is active is asked; another one's image is read. */
    private VdiInfo inspect(VolumeInfo volume, Operation operation) {
        Optional<ActiveVdi> active = engine.find(volume.id().uuid());
        if (active.isPresent()) {
            long size = active.get().device().geometry().sizeBytes();
            return info(volume, size, volume.hidden(), Optional.empty(), new VdiState.Valid());
        }
        try (OpenVolume open = engine.open(store.open(volume.id(), false), false)) {
            ImageInfo image = format(volume.id().kind()).inspect(open.access(operation));
            VdiState state = image.clean() ? new VdiState.Valid() : new VdiState.Unclean();
            return info(
                    volume,
                    image.sizeBytes(),
                    image.hidden() || volume.hidden(),
                    image.parent(),
                    state);
        } catch (StorageException e) {
            if (e.code() == ErrorCode.TASK_CANCELLED || e.code() == ErrorCode.OPERATION_TIMED_OUT) {
                throw e;
            }
            VdiState state = new VdiState.Quarantined(e.sentence());
            return info(volume, 0, true, Optional.empty(), state);
        }
    }

    private static VdiInfo info(
            VolumeInfo volume,
            long virtualSize,
            boolean hidden,
            Optional<UUID> parent,
            VdiState state) {
        Map<String, String> attributes = volume.attributes();
        Map<String, String> smConfig = new HashMap<>();
        smConfig.put("vdi_type", volume.id().kind() == VolumeKind.VHD ? "vhd" : "aio");
        parent.ifPresent(uuid -> smConfig.put("vhd-parent", uuid.toString()));
        return new VdiInfo(
                volume.id().uuid(),
                volume.id().kind(),
                virtualSize,
                volume.allocatedBytes(),
                volume.readOnly() || Boolean.parseBoolean(attributes.get(READ_ONLY)),
                !hidden,
                attributes.getOrDefault(LABEL, volume.id().uuid().toString()),
                attributes.getOrDefault(DESCRIPTION, ""),
                parent,
                smConfig,
                state);
    }

    @Override
    public VdiInfo create(VdiSpec spec, Operation operation) {
        ImageFormat format = format(spec.kind());
        long size = allowedSize(format, spec.uuid(), spec.virtualSizeBytes());
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, spec.uuid());
        VolumeId wanted = new VolumeId(spec.kind(), spec.uuid());
        if (volume(spec.uuid()).isPresent()) {
            throw ErrorCode.VDI_EXISTS.because("there is already a disk " + spec.uuid());
        }
        Map<String, String> attributes = attributes(spec);
        store.commit(List.of(new VolumeChange.Create(incoming, 0, attributes)));
        try {
            try (OpenVolume open = engine.open(store.open(incoming, true), true)) {
                BlockAccess access = open.access(operation);
                format.create(access, spec.uuid(), size, operation);
                access.shrink(format.emptyVolumeBytes(size));
                access.flush();
            }
            store.commit(List.of(new VolumeChange.Rename(incoming, wanted)));
        } catch (RuntimeException e) {
            undo(incoming, e);
            throw e;
        }
        return inspect(require(spec.uuid()), operation);
    }

    private void undo(VolumeId incoming, RuntimeException reason) {
        try {
            store.commit(List.of(new VolumeChange.Delete(incoming)));
        } catch (StorageException e) {
            reason.addSuppressed(e);
        }
    }

    private static Map<String, String> attributes(VdiSpec spec) {
        return Map.of(
                LABEL,
                spec.label(),
                DESCRIPTION,
                spec.description(),
                READ_ONLY,
                Boolean.toString(spec.readOnly()));
    }

    private static long allowedSize(ImageFormat format, UUID vdi, long size) {
        if (size <= 0) {
            throw ErrorCode.VDI_TOO_SMALL.with(
                    vdi.toString(), Long.toString(format.minimumBytes()));
        }
        if (size > format.maximumBytes()) {
            throw ErrorCode.VDI_TOO_LARGE.with(
                    vdi.toString(), Long.toString(format.maximumBytes()));
        }
        return Math.max(format.minimumBytes(), format.roundUp(size));
    }

    @Override
    public VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation) {
        VolumeInfo volume = require(vdi);
        ImageFormat format = format(volume.id().kind());
        long size = allowedSize(format, vdi, virtualSizeBytes);
        Optional<ActiveVdi> active = engine.find(vdi);
        if (active.isPresent()) {
            long now = active.get().device().geometry().sizeBytes();
            if (mustGrow(vdi, now, size)) {
                active.get().resize(size, operation);
            }
        } else {
            resizeIdle(volume, format, size, operation);
        }
        return inspect(require(vdi), operation);
    }

    private void resizeIdle(VolumeInfo volume, ImageFormat format, long size, Operation operation) {
        try (OpenVolume open = engine.open(store.open(volume.id(), true), true)) {
            BlockAccess access = open.access(operation);
            ImageLayer layer = format.open(access, true);
            if (mustGrow(volume.id().uuid(), layer.sizeBytes(), size)) {
                layer.resize(access, size);
            }
            layer.seal(access);
        }
    }

    private static boolean mustGrow(UUID vdi, long now, long size) {
        if (size < now) {
            throw ErrorCode.VDI_TOO_SMALL.with(vdi.toString(), Long.toString(now));
        }
        return size > now;
    }

    @Override
    public void destroy(UUID vdi, Operation operation) {
        if (engine.find(vdi).isPresent()) {
            throw ErrorCode.SR_VDI_IN_USE.because("disk " + vdi + " is active; detach it first");
        }
        store.commit(List.of(new VolumeChange.Delete(require(vdi).id())));
    }

    @Override
    public VdiInfo rename(UUID vdi, String label, String description) {
        VolumeInfo volume = require(vdi);
        Map<String, String> attributes = new HashMap<>(volume.attributes());
        attributes.put(LABEL, label);
        attributes.put(DESCRIPTION, description);
        store.commit(List.of(new VolumeChange.SetAttributes(volume.id(), attributes)));
        Operation operation = Operation.unbounded("look at a disk", clock());
        return inspect(require(vdi), operation);
    }
}
