// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Messages;
import dev.varve.hv.xenapi.Texts;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.filter.RoomWatch;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The repositories that this host has attached.
 *
 * <p><b>Invariants:</b> what the user wants plugged in is kept with the connection ({@code wanted})
 * and outlives the daemon; {@code currently_attached} says how it is now.
 *
 * <p><b>Threads:</b> any. Callers hold the operation of the repository, so that no two of these
 * calls meet on one.
 */
public final class SrManager {
    private static final Logger LOG = LoggerFactory.getLogger(SrManager.class);

    private final StorageEnvironment env;
    private final Database database;
    private final VdiScanner scanner;
    private final Map<String, AttachedRepository> attached = new ConcurrentHashMap<>();
    private final RepositorySpace space;
    private final Messages messages;
    private final Collectors collectors;
    private final DeviceSecrets secrets;

    /**
     * Nothing is attached yet.
     *
     * @param whenFull what happens to writes for which there is no room, in repositories that do
     *     not say themselves
     */
    public SrManager(StorageEnvironment env, RoomWatch.WhenFull whenFull) {
        this.env = env;
        this.database = env.database();
        this.scanner = new VdiScanner(database);
        this.space = new RepositorySpace(env, scanner, whenFull);
        this.messages = new Messages(database, env.clock(), env.random());
        this.collectors = new Collectors(env, this);
        this.secrets = new DeviceSecrets(database, env.random());
    }

    /** The drivers. */
    public Drivers drivers() {
        return env.drivers();
    }

    /** Passwords in device configurations. */
    public DeviceSecrets secrets() {
        return secrets;
    }

    /** What a driver is given for a call. */
    public SrContext context(Operation operation) {
        ApiObject host = database.get("host", env.host());
        return new SrContext(
                UUID.fromString(host.uuid()),
                env.home(),
                env.clock(),
                env.random(),
                env.blocking(),
                operation,
                Initiator.of(host),
                pool());
    }

    private UUID pool() {
        return database.all("pool").stream()
                .findFirst()
                .map(pool -> UUID.fromString(pool.uuid()))
                .orElse(SrContext.NO_POOL);
    }

    /** Whether this host has the repository attached. */
    public boolean isAttached(String sr) {
        return attached.containsKey(sr);
    }

    /**
     * A repository that this host has attached.
     *
     * @throws StorageException SR_NOT_ATTACHED
     */
    public SrSession session(String sr) {
        return repository(sr).session();
    }

    private AttachedRepository repository(String sr) {
        AttachedRepository repository = attached.get(sr);
        if (repository == null) {
            throw ErrorCode.SR_NOT_ATTACHED.with(sr);
        }
        return repository;
    }

    /** The connection of a repository to this host. */
    public Optional<ApiObject> connection(String sr) {
        return database.referring("PBD", "SR", sr).stream()
                .filter(pbd -> pbd.text("host").equals(env.host()))
                .findFirst();
    }

    /** What is kept about a repository on its medium. */
    public SrIdentity identity(ApiObject sr) {
        return new SrIdentity(
                UUID.fromString(sr.uuid()),
                sr.text("name_label"),
                sr.text("name_description"),
                kept(sr));
    }

    /** Its configuration without what only its driver says. */
    private Map<String, String> kept(ApiObject sr) {
        Map<String, String> config = sr.map("sm_config");
        AttachedRepository repository = attached.get(sr.ref());
        if (repository != null) {
            config.keySet().removeAll(repository.session().sr().properties().keySet());
        }
        return config;
    }

    /** The device configuration of a connection, as the driver of its repository gets it. */
    public DeviceConfig config(ApiObject pbd) {
        String type = database.get("SR", pbd.text("SR")).text("type");
        return secrets.resolve(env.drivers().require(type), pbd.map("device_config"));
    }

    /** Plugs a connection in. When this fails, the connection is as it was. */
    public void plug(String pbdRef, Operation operation) {
        ApiObject pbd = database.get("PBD", pbdRef);
        if (isAttached(pbd.text("SR"))) {
            return;
        }
        attach(pbd, operation);
    }

    /** Attaches the repository, writes that down, and looks at its disks. */
    void attach(ApiObject pbd, Operation operation) {
        ApiObject sr = database.get("SR", pbd.text("SR"));
        SrDriver driver = env.drivers().require(sr.text("type"));
        AttachedSr medium = driver.attach(identity(sr), config(pbd), context(operation));
        try {
            SrIdentity known = agree(sr, medium);
            RoomWatch room = space.watch(sr.ref());
            AttachedRepository repository =
                    new AttachedRepository(
                            new SrSession(medium, env.engine().disks(medium, room)), room);
            collectors.prepare(sr, repository);
            attached.put(sr.ref(), repository);
            database.write(
                    batch -> {
                        batch.put(
                                batch.get("PBD", pbd.ref())
                                        .with("currently_attached", true)
                                        .with("wanted", true)
                                        .withKey("other_config", LastError.KEY, ""));
                        batch.put(
                                batch.get("SR", sr.ref())
                                        .with("name_label", Texts.fit(known.label()))
                                        .with("name_description", Texts.fit(known.description()))
                                        .with("sm_config", shown(known, medium))
                                        .with("medium_outdated", false)
                                        .with("introduced", false)
                                        .withKey("other_config", LastError.KEY, ""));
                        return null;
                    });
        } catch (RuntimeException e) {
            attached.remove(sr.ref());
            collectors.close(sr.ref());
            closeAfter(medium, e);
            throw e;
        }
        LOG.info("attached repository {} ({})", sr.uuid(), sr.text("type"));
        notePaths(sr.ref(), pbd.ref());
        try {
            look(sr, repository(sr.ref()), operation);
        } catch (StorageException e) {
            // It is attached all the same: the next scan may pass, and the user sees why this did
            // not.
            LOG.warn("the first scan of repository {} failed", sr.uuid(), e);
            LastError.set(database, sr.ref(), e);
        }
        collectors.wake(sr.ref());
    }

    /**
     * Names and configuration on the medium are right, unless they were changed while it was away.
     */
    private static SrIdentity agree(ApiObject sr, AttachedSr medium) {
        SrIdentity there = medium.identity();
        if (!sr.flag("medium_outdated")) {
            return there;
        }
        boolean introduced = sr.flag("introduced");
        SrIdentity own =
                new SrIdentity(
                        there.uuid(),
                        chosen(introduced, sr.text("name_label"), there.label()),
                        chosen(introduced, sr.text("name_description"), there.description()),
                        there.smConfig());
        medium.update(own);
        return own;
    }

    /** Who introduces a repository and leaves a text empty wants the one that is there. */
    private static String chosen(boolean introduced, String own, String there) {
        return introduced && own.isEmpty() ? there : own;
    }

    private static Map<String, String> shown(SrIdentity known, AttachedSr medium) {
        Map<String, String> config = new TreeMap<>(known.smConfig());
        config.putAll(medium.properties());
        return config;
    }

    private static void closeAfter(AttachedSr medium, RuntimeException failure) {
        try {
            medium.close();
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    /**
     * Unplugs a connection.
     *
     * @throws StorageException SR_DEVICE_IN_USE when one of its disks is attached,
     *     OTHER_OPERATION_IN_PROGRESS when its storage does not answer
     */
    public void unplug(String pbdRef) {
        ApiObject pbd = database.get("PBD", pbdRef);
        String sr = pbd.text("SR");
        for (ApiObject vdi : database.referring("VDI", "SR", sr)) {
            for (ApiObject vbd : database.referring("VBD", "VDI", vdi.ref())) {
                if (vbd.flag("currently_attached")) {
                    throw ErrorCode.SR_DEVICE_IN_USE.with(sr);
                }
            }
        }
        collectors.stop(sr);
        collectors.close(sr);
        AttachedRepository repository = attached.remove(sr);
        database.update(
                "PBD",
                pbdRef,
                row ->
                        row.with("currently_attached", false)
                                .with("wanted", false)
                                .withKey("other_config", LastError.KEY, ""));
        LastError.clear(database, sr);
        space.forget(sr);
        if (repository != null) {
            repository.session().sr().close();
        }
    }

    /** Looks at the disks of a repository anew. */
    public void scan(ApiObject sr, Operation operation) {
        AttachedRepository repository = repository(sr.ref());
        try {
            look(sr, repository, operation);
        } catch (StorageException e) {
            if (e.code() != ErrorCode.TASK_CANCELLED) {
                LastError.set(database, sr.ref(), e);
            }
            throw e;
        }
        LastError.clear(database, sr.ref());
        wake(sr.ref());
    }

    /** Something has changed in a repository after which chains may be made shorter. */
    void wake(String sr) {
        collectors.wake(sr);
    }

    /** How it stands with the chains of a repository, if that is attached. */
    public Optional<ChainStatus> chains(String sr) {
        return collectors.status(sr);
    }

    /** Does something while no image of a repository is open for being merged. */
    void withoutMerges(String sr, Runnable work) {
        collectors.stop(sr);
        try {
            work.run();
        } finally {
            collectors.resume(sr);
        }
    }

    /** Merges nothing any more. */
    void stopMerges() {
        collectors.stopAll();
    }

    private void look(ApiObject sr, AttachedRepository repository, Operation operation) {
        for (VdiInfo bad : scanner.scan(sr, repository, operation)) {
            messages.post(
                    "VDI_QUARANTINED",
                    2,
                    "VDI",
                    bad.uuid().toString(),
                    "%s cannot be used: %s"
                            .formatted(bad.label(), VdiScanner.reason(bad).orElse("")));
        }
        space.sizes(sr, repository);
    }

    /** Finds out the sizes of a repository anew. */
    public void update(ApiObject sr) {
        space.sizes(sr, repository(sr.ref()));
    }

    /** Who waits for room in a repository, if it is attached. */
    public Optional<RoomWatch> room(String sr) {
        return Optional.ofNullable(attached.get(sr)).map(AttachedRepository::room);
    }

    /**
     * Finds out the sizes of what changes without anybody doing anything.
     *
     * @param written the disks that are attached
     */
    void lookAfter(String sr, Collection<ApiObject> written) {
        space.lookAfter(sr, repository(sr), written);
    }

    /**
     * Works on disks, while scans leave them alone; afterwards the sizes are right.
     *
     * @param vdis their UUIDs, with those that are to be made
     */
    public <T> T working(ApiObject sr, Collection<String> vdis, Supplier<T> work) {
        AttachedRepository repository = repository(sr.ref());
        try {
            return repository.during(
                    vdis,
                    () -> {
                        T result = work.get();
                        space.sizes(sr, repository);
                        return result;
                    });
        } finally {
            wake(sr.ref());
        }
    }

    /** Changes name or description, on the medium too: at once, or when it is attached next. */
    public void rename(String srRef, String label, String description) {
        AttachedRepository repository = attached.get(srRef);
        ApiObject changed =
                database.get("SR", srRef)
                        .with("name_label", label)
                        .with("name_description", description);
        if (repository != null) {
            repository.session().sr().update(identity(changed));
        }
        boolean outdated = repository == null;
        database.update(
                "SR",
                srRef,
                row ->
                        row.with("name_label", label)
                                .with("name_description", description)
                                .with("medium_outdated", outdated));
    }

    /** Asks the medium whether it can be used. */
    void check(String sr) {
        session(sr).sr().check();
    }

    /** How the paths to a repository do. */
    public List<PathHealth> paths(String sr) {
        return session(sr).sr().paths();
    }

    /** Writes down how the paths to a repository do, where clients look for it. */
    void notePaths(String sr, String pbd) {
        PathNotes.write(database, pbd, paths(sr));
    }

    /**
     * Whether disks that are plugged in now will not work again before they are plugged in anew.
     */
    boolean isLost(String sr) {
        return session(sr).sr().isLost();
    }

    /** Whether a repository that {@link #isLost} comes back only when it is attached anew. */
    boolean needsAttaching(String sr) {
        return session(sr).sr().needsAttaching();
    }

    /**
     * Detaches a repository whose medium is lost. It stays wanted, and is attached anew as one that
     * was away. None of its disks may be plugged in.
     */
    void letGo(String sr, String pbdRef) {
        collectors.stop(sr);
        collectors.close(sr);
        AttachedRepository repository = attached.remove(sr);
        database.update("PBD", pbdRef, row -> row.with("currently_attached", false));
        space.forget(sr);
        try {
            repository.session().sr().close();
        } catch (StorageException e) {
            // What cannot be said to a medium that is lost is left unsaid.
            LOG.info("repository {} was let go of with its medium away: {}", sr, e.sentence());
        }
    }

    /** Whether the disks of a repository have been looked at since it was attached. */
    boolean isScanned(String sr) {
        return repository(sr).isScanned();
    }

    /** Writes down what storage says about one disk. */
    public void refresh(ApiObject sr, VdiInfo info) {
        database.write(
                batch -> {
                    VdiScanner.write(batch, sr, info);
                    return null;
                });
    }

    /**
     * Writes down what an operation left behind, within {@link #working}: all of it or nothing.
     * What is gone loses its row and its connections. Scans that began before leave it alone.
     *
     * @param more changes that become visible together with these
     */
    public void apply(ApiObject sr, DiskChanges changes, Consumer<Database.Batch> more) {
        AttachedRepository repository = repository(sr.ref());
        repository.changed(changes);
        database.write(
                batch -> {
                    for (VdiInfo info : changes.changed()) {
                        if (!repository.isRemoved(info.uuid())) {
                            VdiScanner.write(batch, sr, info);
                        }
                    }
                    changes.removed().forEach(vdi -> drop(batch, sr, OpaqueRef.of(vdi)));
                    more.accept(batch);
                    return null;
                });
    }

    private void drop(Database.Batch batch, ApiObject sr, String vdi) {
        if (batch.find(vdi).filter(row -> row.text("SR").equals(sr.ref())).isPresent()) {
            database.referring("VBD", "VDI", vdi).forEach(vbd -> batch.delete(vbd.ref()));
            batch.delete(vdi);
        }
    }

    /** Drops the rows of a repository, its connections and its disks. */
    public void forgetRows(ApiObject sr) {
        List<ApiObject> gone = new ArrayList<>(database.referring("PBD", "SR", sr.ref()));
        for (ApiObject pbd : List.copyOf(gone)) {
            gone.addAll(secrets.owned(pbd.map("device_config")));
        }
        for (ApiObject vdi : database.referring("VDI", "SR", sr.ref())) {
            gone.add(vdi);
            gone.addAll(database.referring("VBD", "VDI", vdi.ref()));
        }
        gone.add(sr);
        database.write(
                batch -> {
                    gone.forEach(row -> batch.delete(row.ref()));
                    for (ApiObject pool : database.all("pool")) {
                        if (pool.text("default_SR").equals(sr.ref())) {
                            batch.put(pool.with("default_SR", OpaqueRef.NULL));
                        }
                    }
                    return null;
                });
    }

    /** Lets go of everything, without forgetting that it is wanted. */
    void closeAll() {
        attached.forEach(
                (sr, repository) -> {
                    try {
                        collectors.close(sr);
                        repository.session().sr().close();
                    } catch (RuntimeException e) {
                        LOG.error("repository {} could not be closed", sr, e);
                    }
                });
        attached.clear();
    }
}
