// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * The disks that this host uses: connections to its control domain that are plugged in.
 *
 * <p><b>Invariants:</b> a disk is plugged in through one connection at most. What the user wants
 * plugged in is kept with the connection and outlives the daemon.
 *
 * <p><b>Threads:</b> any. Callers hold the operations of connection and disk.
 */
public final class Attachments {
    private static final Logger LOG = LoggerFactory.getLogger(Attachments.class);
    private static final long DETACH_SECONDS = 60;

    private final StorageEnvironment env;
    private final Database database;
    private final SrManager repositories;

    /** Nothing is plugged in yet. */
    public Attachments(StorageEnvironment env, SrManager repositories) {
        this.env = env;
        this.database = env.database();
        this.repositories = repositories;
    }

    /** Plugs a connection in. When this fails, the connection is as it was. */
    public void plug(ApiObject vbd, Operation operation) {
        if (vbd.flag("currently_attached")) {
            throw ErrorCode.DEVICE_ALREADY_ATTACHED.with(vbd.ref());
        }
        ApiObject vdi = usable(database.get("VDI", vbd.text("VDI")));
        if (activeConnection(vdi.ref()).isPresent()) {
            throw ErrorCode.VDI_IN_USE.with(vdi.ref(), "attach");
        }
        boolean readOnly = vbd.text("mode").equals("RO");
        if (vdi.flag("read_only") && !readOnly) {
            throw ErrorCode.VDI_READONLY.with(vdi.ref());
        }
        SrSession session = repositories.session(vdi.text("SR"));
        UUID uuid = UUID.fromString(vdi.uuid());
        Datapath datapath = env.engine().datapath();
        datapath.attach(session, uuid, readOnly);
        boolean active = false;
        try {
            datapath.activate(uuid, operation);
            active = true;
            attached(vbd);
            repositories.wake(vdi.text("SR"));
        } catch (RuntimeException e) {
            undo(datapath, uuid, active, e);
            throw e;
        }
    }

    private void attached(ApiObject vbd) {
        database.update(
                "VBD",
                vbd.ref(),
                row ->
                        row.with("currently_attached", true)
                                .with("wanted", true)
                                .withKey("other_config", LastError.KEY, ""));
    }

    /** Nobody could take a disk back that is served without being written down as such. */
    private void undo(Datapath datapath, UUID uuid, boolean active, RuntimeException failure) {
        try {
            if (active) {
                datapath.deactivate(uuid, within("VBD.plug", DETACH_SECONDS));
            }
            datapath.detach(uuid);
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    /**
     * A disk that users may use.
     *
     * @throws StorageException that says why it cannot be used
     */
    public static ApiObject usable(ApiObject vdi) {
        present(vdi);
        if (isLogOnly(vdi)) {
            throw ErrorCode.VDI_INCOMPATIBLE_TYPE.with(vdi.ref(), vdi.text("type"));
        }
        return vdi;
    }

    /** Whether only the log of its changed blocks is left of a disk. */
    public static boolean isLogOnly(ApiObject vdi) {
        return vdi.text("type").equals(VdiScanner.CBT_METADATA);
    }

    /**
     * As {@link #usable}, also for a disk of which only the log of changed blocks is left.
     *
     * @throws StorageException that says why it cannot be used
     */
    public static ApiObject present(ApiObject vdi) {
        Optional<String> reason = quarantine(vdi);
        if (reason.isPresent()) {
            throw ErrorCode.VDI_UNAVAILABLE.because(
                    "the disk " + vdi.uuid() + " is quarantined: " + reason.get());
        }
        if (vdi.flag("missing")) {
            throw ErrorCode.VDI_MISSING.with(vdi.text("SR"), vdi.ref());
        }
        if (!vdi.flag("managed")) {
            throw ErrorCode.VDI_NOT_MANAGED.with(vdi.ref());
        }
        return vdi;
    }

    /** Why the image of a disk cannot be used, if that is so. */
    public static Optional<String> quarantine(ApiObject vdi) {
        return Optional.ofNullable(vdi.map("sm_config").get(VdiScanner.QUARANTINE));
    }

    /** The connection through which a disk is plugged in. */
    public Optional<ApiObject> activeConnection(String vdi) {
        return database.referring("VBD", "VDI", vdi).stream()
                .filter(vbd -> vbd.flag("currently_attached"))
                .findFirst();
    }

    /** Whether a disk is plugged in, or will be as soon as its repository is there. */
    public boolean isInUse(String vdi) {
        return database.referring("VBD", "VDI", vdi).stream()
                .anyMatch(vbd -> vbd.flag("currently_attached") || vbd.flag("wanted"));
    }

    /** Whether a disk is plugged in for writing, or will be as soon as its repository is there. */
    public boolean isWritten(String vdi) {
        return database.referring("VBD", "VDI", vdi).stream()
                .filter(vbd -> vbd.flag("currently_attached") || vbd.flag("wanted"))
                .anyMatch(vbd -> !vbd.text("mode").equals("RO"));
    }

    /**
     * Unplugs a connection. When storage fails or does not answer, it is unplugged all the same.
     */
    public void unplug(ApiObject vbd, Operation operation) {
        if (!vbd.flag("currently_attached")) {
            if (!vbd.flag("wanted")) {
                throw ErrorCode.DEVICE_ALREADY_DETACHED.with(vbd.ref());
            }
            detached(vbd);
            return;
        }
        ApiObject vdi = database.get("VDI", vbd.text("VDI"));
        UUID uuid = UUID.fromString(vdi.uuid());
        Datapath datapath = env.engine().datapath();
        try {
            datapath.deactivate(uuid, within(operation.label(), DETACH_SECONDS));
        } finally {
            datapath.detach(uuid);
            detached(vbd);
            repositories.wake(vdi.text("SR"));
        }
    }

    /**
     * Lets go of a disk whose storage has gone away, so that the storage can be brought back. It
     * stays wanted, and is plugged in again under the same address. Its user's connection ends:
     * what was not flushed may be lost, and nobody may take it for stored.
     */
    void suspend(ApiObject vbd) {
        UUID uuid = UUID.fromString(database.get("VDI", vbd.text("VDI")).uuid());
        Datapath datapath = env.engine().datapath();
        try {
            datapath.deactivate(uuid, within("VBD.suspend", DETACH_SECONDS));
        } catch (StorageException e) {
            // That it fails is why this is done. It is closed all the same.
            LOG.info("disk {} was let go of with its storage away: {}", uuid, e.sentence());
        }
        datapath.detach(uuid);
        database.update("VBD", vbd.ref(), row -> row.with("currently_attached", false));
    }

    /** The disks of a repository that are plugged in. */
    List<ApiObject> activeDisks(String sr) {
        return active(sr).stream().flatMap(vbd -> database.find(vbd.text("VDI")).stream()).toList();
    }

    /** The connections of a repository's disks that are plugged in. */
    List<ApiObject> active(String sr) {
        return active().stream()
                .filter(vbd -> database.get("VDI", vbd.text("VDI")).text("SR").equals(sr))
                .toList();
    }

    private Operation within(String label, long seconds) {
        return Operation.within(label, env.clock(), seconds, TimeUnit.SECONDS);
    }

    private void detached(ApiObject vbd) {
        database.update(
                "VBD",
                vbd.ref(),
                row ->
                        row.with("currently_attached", false)
                                .with("wanted", false)
                                .withKey("other_config", LastError.KEY, ""));
    }

    /** How the disk of a connection that is plugged in does. */
    public Datapath.Status status(ApiObject vbd) {
        return env.engine()
                .datapath()
                .status(UUID.fromString(database.get("VDI", vbd.text("VDI")).uuid()));
    }

    /** The connections that are plugged in. */
    public List<ApiObject> active() {
        return database.all("VBD").stream().filter(vbd -> vbd.flag("currently_attached")).toList();
    }

    /** The connections of a repository's disks that should be plugged in and are not. */
    List<ApiObject> waiting(String sr) {
        List<ApiObject> waiting = new ArrayList<>();
        for (ApiObject vdi : database.referring("VDI", "SR", sr)) {
            for (ApiObject vbd : database.referring("VBD", "VDI", vdi.ref())) {
                if (vbd.flag("wanted") && !vbd.flag("currently_attached")) {
                    waiting.add(vbd);
                }
            }
        }
        return waiting;
    }

    /** Brings all disks to storage and lets go of them, without forgetting that they are wanted. */
    void deactivateAll(long seconds) {
        Operation operation = within("shutdown", seconds);
        Datapath datapath = env.engine().datapath();
        for (ApiObject vbd : active()) {
            UUID uuid = UUID.fromString(database.get("VDI", vbd.text("VDI")).uuid());
            try {
                datapath.deactivate(uuid, operation);
                datapath.detach(uuid);
            } catch (RuntimeException e) {
                LOG.error("disk {} could not be deactivated", uuid, e);
            }
        }
    }
}
