// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.nbd.NbdServer;
import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.filter.StatsFilter;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.net.URI;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** The datapath over lanes, with NBD in front. */
final class LaneDatapath implements Datapath {
    private final NbdServer nbd;
    private final Map<UUID, Attachment> attachments = new ConcurrentHashMap<>();

    /** What is known of an attached disk; the last three are null while it is not activated. */
    private static final class Attachment {
        final SrSession session;
        final boolean readOnly;
        volatile ActiveVdi vdi;
        volatile Claims.Claim claim;
        volatile DiskBitmaps bitmaps;

        Attachment(SrSession session, boolean readOnly) {
            this.session = session;
            this.readOnly = readOnly;
        }
    }

    /**
     * @param nbd where active disks are exported
     */
    LaneDatapath(NbdServer nbd) {
        this.nbd = nbd;
    }

    @Override
    public void attach(SrSession session, UUID vdi, boolean readOnly) {
        Attachment attachment = new Attachment(session, readOnly);
        if (attachments.putIfAbsent(vdi, attachment) != null) {
            throw ErrorCode.DEVICE_ALREADY_ATTACHED.with(vdi.toString());
        }
    }

    @Override
    public URI activate(UUID vdi, Operation operation) {
        Attachment attachment = require(vdi);
        if (attachment.vdi != null) {
            return nbd.uri(vdi);
        }
        if (volume(attachment.session.sr().volumes(), vdi).readOnly() && !attachment.readOnly) {
            throw ErrorCode.VDI_READONLY.with(vdi.toString());
        }
        Claims claims = attachment.session.sr().claims();
        Claims.Mode mode = attachment.readOnly ? Claims.Mode.READ : Claims.Mode.WRITE;
        Claims.Claim claim = claims.acquire(vdi, mode);
        ActiveVdi active;
        try {
            active = attachment.session.disks().activate(vdi, !attachment.readOnly, operation);
        } catch (RuntimeException | Error e) {
            releaseAfter(claims, claim, e);
            throw e;
        }
        try {
            DiskBitmaps bitmaps = new DiskBitmaps(attachment.session.disks(), vdi, active.lane());
            bitmaps.refresh();
            URI uri = nbd.export(active, bitmaps);
            attachment.claim = claim;
            attachment.bitmaps = bitmaps;
            attachment.vdi = active;
            return uri;
        } catch (RuntimeException | Error e) {
            if (closeAfter(active, operation, e)) {
                releaseAfter(claims, claim, e);
            }
            throw e;
        }
    }

    /** Whether the disk came free; one that did not keeps its claim. */
    private static boolean closeAfter(ActiveVdi active, Operation operation, Throwable reason) {
        try {
            active.close(operation);
            return true;
        } catch (StorageException e) {
            reason.addSuppressed(e);
            return e.code() != ErrorCode.DEVICE_DETACH_TIMEOUT;
        }
    }

    private static void releaseAfter(Claims claims, Claims.Claim claim, Throwable reason) {
        try {
            claims.release(claim);
        } catch (StorageException e) {
            reason.addSuppressed(e);
        }
    }

    private static VolumeInfo volume(VolumeStore store, UUID vdi) {
        for (VolumeKind kind : List.of(VolumeKind.VHD, VolumeKind.RAW)) {
            Optional<VolumeInfo> found = store.find(new VolumeId(kind, vdi));
            if (found.isPresent()) {
                return found.get();
            }
        }
        throw ErrorCode.VDI_NOT_ON_STORAGE.because(
                "there is no disk " + vdi + " in its repository");
    }

    private Attachment require(UUID vdi) {
        Attachment attachment = attachments.get(vdi);
        if (attachment == null) {
            throw ErrorCode.VDI_NOT_ATTACHED.with(vdi.toString());
        }
        return attachment;
    }

    /** The snapshots with which attached disks can be compared may be others now. */
    void linesChanged(Collection<UUID> vdis) {
        for (Map.Entry<UUID, Attachment> each : attachments.entrySet()) {
            DiskBitmaps bitmaps = each.getValue().bitmaps;
            if (bitmaps != null && (vdis.contains(each.getKey()) || bitmaps.names(vdis))) {
                bitmaps.refresh();
            }
        }
    }

    /**
     * A disk that did not come free keeps its claim: the storage may still write what it was given.
     */
    @Override
    public void deactivate(UUID vdi, Operation operation) {
        Attachment attachment = require(vdi);
        ActiveVdi active = attachment.vdi;
        if (active == null) {
            return;
        }
        attachment.vdi = null;
        nbd.unexport(vdi);
        boolean cameFree = true;
        try {
            active.close(operation);
        } catch (StorageException e) {
            cameFree = e.code() != ErrorCode.DEVICE_DETACH_TIMEOUT;
            throw e;
        } finally {
            if (cameFree) {
                attachment.session.sr().claims().release(attachment.claim);
            }
        }
    }

    @Override
    public void detach(UUID vdi) {
        Attachment attachment = attachments.get(vdi);
        if (attachment != null && attachment.vdi != null) {
            throw ErrorCode.VDI_IN_USE.with(vdi.toString(), "detach");
        }
        attachments.remove(vdi);
    }

    @Override
    public Status status(UUID vdi) {
        ActiveVdi active = require(vdi).vdi;
        Map<String, Long> counters = new HashMap<>();
        if (active != null) {
            for (Map.Entry<StatsFilter.Counter, Long> entry :
                    active.stats().snapshot().entrySet()) {
                counters.put(entry.getKey().name().toLowerCase(Locale.ROOT), entry.getValue());
            }
        }
        return new Status(active != null, nbd.uri(vdi), counters);
    }
}
