// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.nbd.NbdEndpoint;
import dev.varve.hv.storage.Datapath;
import dev.varve.hv.storage.EngineStatus;
import dev.varve.hv.storage.SrSession;
import dev.varve.hv.storage.StorageEngine;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeStore;

import java.net.InetSocketAddress;
import java.net.URI;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;

/**
 * Storage in memory that outlives daemons: media by location, a driver of type {@code fake} over
 * them, and an engine that serves their disks without moving any data.
 */
public final class FakeStorage {
    /** What is at a location. */
    public static final class Medium {
        public volatile SrIdentity identity;
        public volatile boolean away;
        public volatile boolean scanBroken;

        /** How much is taken besides what disks take. */
        public volatile long otherBytes;

        /** It does not come back before none of its disks is in use. */
        public volatile boolean lost;

        /** It does not come back before it is attached anew. */
        public volatile boolean needsAttaching;

        public final Map<UUID, VdiInfo> disks = new ConcurrentSkipListMap<>();
        public volatile Runnable beforeCreate = () -> {};

        /** Runs before a disk is divided by a snapshot or a clone. */
        public volatile Runnable beforeFork = () -> {};

        /** Runs when a disk has been destroyed, before anybody is told. */
        public volatile Runnable afterDestroy = () -> {};

        /** Runs when a scan has seen all disks, before anybody is told. */
        public volatile Runnable afterList = () -> {};

        /** When the next snapshots are taken. */
        public volatile long snapshotMillis = 1_800_000_000_000L;

        void need() {
            if (away) {
                throw ErrorCode.SR_UNAVAILABLE.because("the medium is away; bring it back");
            }
        }
    }

    public final Map<String, Medium> media = new ConcurrentHashMap<>();

    /** What the disks of each medium that is attached have in common when it is full. */
    public final Map<Medium, RoomWatch> rooms = new ConcurrentHashMap<>();

    public final Map<UUID, String> datapath = new ConcurrentSkipListMap<>();
    public final List<NbdEndpoint> endpoints = new CopyOnWriteArrayList<>();
    public final Set<SrCapability> capabilities =
            EnumSet.complementOf(EnumSet.of(SrCapability.SR_STATS));

    /** What the driver was given last. */
    public volatile Map<String, String> lastConfig = Map.of();

    public volatile SrContext lastContext;

    /** What a probe answers with, instead of what is there. */
    public volatile StorageException probeFailure;

    public volatile List<PathHealth> paths = List.of();
    public volatile Map<String, String> properties = Map.of();

    /** What hinders handing back; nothing for a format of our own. */
    public volatile List<String> handback;

    /** No media yet. */
    public FakeStorage() {}

    /** The medium at a location. */
    public Medium medium(String location) {
        return media.computeIfAbsent(location, _ -> new Medium());
    }

    /** An image that is at a location without anybody having been told. */
    public UUID plant(String location, VdiState state) {
        return plant(location, true, state);
    }

    /** An inner node that is at a location without anybody having been told. */
    public UUID plantInnerNode(String location) {
        return plant(location, false, new VdiState.Valid());
    }

    private UUID plant(String location, boolean managed, VdiState state) {
        UUID uuid = UUID.randomUUID();
        VdiInfo info =
                new VdiInfo(
                        uuid,
                        dev.varve.vdi.store.VolumeKind.VHD,
                        1 << 20,
                        4096,
                        false,
                        managed,
                        "planted",
                        "",
                        Optional.empty(),
                        Optional.empty(),
                        Map.of("vdi_type", "vhd"),
                        false,
                        state);
        medium(location).disks.put(uuid, info);
        return uuid;
    }

    /** The driver. */
    public SrDriver driver() {
        return new Driver();
    }

    /** An engine. */
    public StorageEngine engine() {
        return new Engine();
    }

    private final class Driver implements SrDriver {
        @Override
        public String type() {
            return "fake";
        }

        @Override
        public String name() {
            return "Fake";
        }

        @Override
        public String description() {
            return "Disks in memory";
        }

        @Override
        public Set<SrCapability> capabilities() {
            return capabilities;
        }

        @Override
        public List<ConfigKey> configuration() {
            return List.of(
                    new ConfigKey("location", true, "where it is"),
                    new ConfigKey("password", false, "what lets one in"),
                    new ConfigKey("password_secret", false, "the secret with the password"));
        }

        private Medium at(DeviceConfig config, SrContext context) {
            lastConfig = config.values();
            lastContext = context;
            Medium medium = medium(config.require("location", ErrorCode.CONFIG_LOCATION_MISSING));
            medium.need();
            return medium;
        }

        @Override
        public ProbeResult probe(DeviceConfig config, SrContext context) {
            Medium medium = at(config, context);
            if (probeFailure != null) {
                throw probeFailure;
            }
            return new ProbeResult(
                    medium.identity == null
                            ? List.of()
                            : List.of(
                                    new ProbeResult.Found(
                                            medium.identity,
                                            config.values(),
                                            Optional.of(new StoreSpace(1 << 30, 0)))));
        }

        @Override
        public void create(SrIdentity identity, DeviceConfig config, SrContext context) {
            Medium medium = at(config, context);
            if (medium.identity != null) {
                throw ErrorCode.SR_EXISTS.because("there is something already");
            }
            medium.identity = identity;
        }

        @Override
        public AttachedSr attach(SrIdentity identity, DeviceConfig config, SrContext context) {
            return new Attached(at(config, context));
        }

        @Override
        public void destroy(SrIdentity identity, DeviceConfig config, SrContext context) {
            at(config, context).identity = null;
        }
    }

    private final class Attached implements AttachedSr, VolumeStore {
        final Medium medium;

        Attached(Medium medium) {
            this.medium = medium;
        }

        @Override
        public SrIdentity identity() {
            return medium.identity;
        }

        @Override
        public VolumeStore volumes() {
            return this;
        }

        @Override
        public Claims claims() {
            return new FreeClaims();
        }

        @Override
        public void update(SrIdentity identity) {
            medium.identity = identity;
        }

        @Override
        public boolean isLost() {
            return medium.lost;
        }

        @Override
        public boolean needsAttaching() {
            return medium.needsAttaching;
        }

        @Override
        public List<PathHealth> paths() {
            return paths;
        }

        @Override
        public Map<String, String> properties() {
            return properties;
        }

        @Override
        public Optional<List<String>> handback(List<Image> images) {
            return Optional.ofNullable(handback);
        }

        @Override
        public void check() {
            medium.need();
            if (medium.lost && medium.disks.keySet().stream().anyMatch(datapath::containsKey)) {
                throw ErrorCode.SR_UNAVAILABLE.because("disks are still in use");
            }
            medium.lost = false;
        }

        @Override
        public Set<StoreFeature> features() {
            return Set.of();
        }

        @Override
        public StoreSpace space() {
            medium.need();
            return new StoreSpace(1L << 30, medium.otherBytes + 4096L * medium.disks.size());
        }

        @Override
        public List<VolumeInfo> list() {
            throw new UnsupportedOperationException("disks have no volumes here");
        }

        @Override
        public String nameOf(VolumeId id) {
            return id.toString();
        }

        @Override
        public Optional<VolumeId> named(String name) {
            throw new UnsupportedOperationException("disks have no volumes here");
        }

        @Override
        public Optional<VolumeInfo> find(VolumeId id) {
            return Optional.ofNullable(medium.disks.get(id.uuid()))
                    .filter(info -> info.kind() == id.kind())
                    .map(
                            info ->
                                    new VolumeInfo(
                                            id,
                                            info.virtualSizeBytes(),
                                            info.physicalUtilisationBytes(),
                                            info.readOnly(),
                                            !info.managed(),
                                            Map.of()));
        }

        @Override
        public StoreVolume open(VolumeId id, boolean writable) {
            throw new UnsupportedOperationException("disks have no volumes here");
        }

        @Override
        public void commit(List<VolumeChange> changes) {
            throw new UnsupportedOperationException("disks have no volumes here");
        }

        @Override
        public void recover() {}

        @Override
        public void close() {
            if (medium.lost && medium.needsAttaching) {
                medium.lost = false;
                throw ErrorCode.SR_IO_ERROR.because("the medium has gone away");
            }
        }
    }

    /** Whatever is claimed is free. */
    private static final class FreeClaims implements Claims {
        @Override
        public Claim acquire(UUID vdi, Mode mode) {
            return new Claim(vdi, new UUID(0, 0), mode, 1);
        }

        @Override
        public void release(Claim claim) {}

        @Override
        public List<Claim> holders(UUID vdi) {
            return List.of();
        }

        @Override
        public long othersEpoch() {
            return 0;
        }

        @Override
        public boolean othersHave() {
            return false;
        }

        @Override
        public boolean alone(LongConsumer work) {
            work.accept(0);
            return true;
        }
    }

    private final class Engine implements StorageEngine, Datapath {
        @Override
        public DiskService disks(AttachedSr sr, RoomWatch room) {
            rooms.put(((Attached) sr).medium, room);
            return new FakeDisks(
                    ((Attached) sr).medium, vdi -> "activated".equals(datapath.get(vdi)));
        }

        @Override
        public Datapath datapath() {
            return this;
        }

        /** Nothing listens; {@link #endpoints} has what was asked for. */
        @Override
        public InetSocketAddress serveNbd(NbdEndpoint endpoint) {
            endpoints.add(endpoint);
            return endpoint.address();
        }

        @Override
        public void stopNbd(InetSocketAddress address) {
            endpoints.removeIf(endpoint -> endpoint.address().equals(address));
        }

        @Override
        public List<String> describe() {
            return List.of("lanes 1, backend memory");
        }

        @Override
        public EngineStatus status() {
            return new EngineStatus(0, 0, 1, List.of());
        }

        @Override
        public void attach(SrSession session, UUID vdi, boolean readOnly) {
            datapath.put(vdi, "attached");
        }

        @Override
        public URI activate(UUID vdi, Operation operation) {
            datapath.put(vdi, "activated");
            return uri(vdi);
        }

        private static URI uri(UUID vdi) {
            return URI.create("nbd+unix:///" + vdi + "?socket=/fake");
        }

        @Override
        public void deactivate(UUID vdi, Operation operation) {
            datapath.put(vdi, "deactivated");
        }

        @Override
        public void detach(UUID vdi) {
            datapath.remove(vdi);
        }

        @Override
        public Status status(UUID vdi) {
            return new Status(true, uri(vdi), Map.of("reads", 1L, "writes", 2L));
        }

        @Override
        public void close() {}
    }
}
