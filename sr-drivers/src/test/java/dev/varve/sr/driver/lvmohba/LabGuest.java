// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.host.HostRoot;
import dev.varve.sr.host.ScsiAdapter;
import dev.varve.sr.host.ScsiDiscovery;
import dev.varve.sr.host.ScsiDisk;
import dev.varve.sr.host.ScsiLun;
import dev.varve.sr.multipath.MultipathMedium;
import dev.varve.sr.multipath.PathSettings;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.Operation;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Threads;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * What runs inside the lab guest, on real SCSI hosts: each step prints a line {@code PASS step} or
 * {@code FAIL step: why}, and {@code DONE} ends it.
 */
final class LabGuest {
    private static final String TWO_PATHS = "35000c500aaaa0003";
    private static final String SAS = "35000c500aaaa0001";
    private static final int PAGES = 2048;
    private static final PathSettings QUICK = new PathSettings(60, 1);

    private final ScsiDiscovery discovery = new ScsiDiscovery(HostRoot.system());
    private final HbaLuns luns = new HbaLuns(HostRoot.system());
    private final ExecutorService blocking = Threads.blockingPool("lab-");
    private final VdiEngine engine =
            new VdiEngine(
                    EngineContext.defaults(Clock.system(), (name, thrown) -> report(thrown))
                            .withLanes(1));

    /** A part of what is shown. */
    private interface Step {
        void run() throws Exception;
    }

    /** The names of the steps to take; all when there are none. */
    private final Set<String> wanted;

    private LabGuest(Set<String> wanted) {
        this.wanted = wanted;
    }

    public static void main(String[] arguments) {
        LabGuest guest = new LabGuest(Set.of(arguments));
        guest.step("adapters", guest::adapters);
        guest.step("discovery", guest::discoveryEqualsTheToolsOfTheHost);
        guest.step("document", guest::document);
        guest.step("one-path", guest::onePathFailsUnderLoad);
        guest.step("all-paths", guest::allPathsFailUnderLoad);
        guest.step("unplugged", guest::pathIsUnpluggedUnderLoad);
        guest.step("repository", guest::repositoryLivesThroughAFailedPath);
        guest.step("resized", guest::lunBecomesLarger);
        guest.step("unplugged-hba", () -> guest.unplugging().ofAnAdapter());
        guest.step("unplugged-local", () -> guest.unplugging().ofThisHost());
        guest.step("reservations", () -> new LabReservations().run());
        guest.step("device-mapper", guest::deviceMapperTakesOver);
        System.out.println("DONE");
        System.exit(0);
    }

    private void step(String name, Step step) {
        if (!wanted.isEmpty() && !wanted.contains(name)) {
            return;
        }
        long start = Clock.system().nanoTime();
        try {
            step.run();
            long millis = TimeUnit.NANOSECONDS.toMillis(Clock.system().nanoTime() - start);
            System.out.println("PASS " + name + " " + millis + " ms");
        } catch (Exception | AssertionError e) {
            System.out.println("FAIL " + name + ": " + e);
            report(e);
        }
    }

    private static void report(Throwable thrown) {
        thrown.printStackTrace(System.out);
    }

    static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void requireEqual(Object expected, Object actual) {
        require(expected.equals(actual), "expected " + expected + ", got " + actual);
    }

    /** The kernel and its tools tell nobody when they have done something: this asks. */
    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = Clock.system().nanoTime() + TimeUnit.SECONDS.toNanos(120);
        while (!condition.getAsBoolean()) {
            require(Clock.system().nanoTime() < end, "not within two minutes: " + what);
            Thread.sleep(50);
        }
    }

    static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        require(status == 0, Arrays.toString(command) + " ended with " + status + ": " + output);
        return output.strip();
    }

    // ---- discovery

    private void adapters() {
        List<String> drivers =
                discovery.adapters().stream().map(ScsiAdapter::driver).sorted().toList();
        requireEqual(
                List.of("megaraid_sas", "mptsas", "virtio_scsi", "virtio_scsi"),
                drivers.stream().filter(name -> !name.startsWith("ata_")).toList());
        ScsiAdapter sas =
                discovery.adapters().stream()
                        .filter(adapter -> adapter.driver().equals("mptsas"))
                        .findFirst()
                        .orElseThrow();
        requireEqual(ScsiAdapter.Kind.SAS, sas.kind());
        // The emulation gives its phys the address of the disk behind them.
        require(sas.portName().matches("0x5000c500[0-9a-f]{8}"), sas.toString());
    }

    private void discoveryEqualsTheToolsOfTheHost() throws Exception {
        Map<String, String> expected = new TreeMap<>();
        for (String line : run("lsscsi", "-b").lines().toList()) {
            String[] words = line.strip().split("\\s+", -1);
            String node = words[1];
            String id = run("/usr/lib/udev/scsi_id", "-g", "-d", node);
            String size = run("blockdev", "--getsize64", node);
            String place = words[0].substring(1, words[0].length() - 1);
            expected.put(node, place + " " + id + " " + size);
        }
        Map<String, String> found = new TreeMap<>();
        for (ScsiDisk disk : discovery.disks()) {
            found.put(
                    disk.node().toString(),
                    disk.address() + " " + disk.scsiId() + " " + disk.sizeBytes());
        }
        System.out.println("found " + found);
        requireEqual(4, found.size());
        requireEqual(expected, found);
    }

    private void document() {
        String document = luns.document();
        System.out.println(document);
        requireEqual(4, document.split("<Adapter>", -1).length - 1);
        requireEqual(3, document.split("<BlockDevice>", -1).length - 1);
        ScsiLun sas = discovery.lun(SAS).orElseThrow();
        requireEqual(Path.of("/dev/disk/by-id/scsi-" + SAS), sas.path());
        requireEqual("LABSAS01", sas.first().serial());
        requireEqual("LABVEND", sas.first().vendor());
        requireEqual(2, discovery.lun(TWO_PATHS).orElseThrow().disks().size());
    }

    // ---- paths

    private SrContext context() {
        return new SrContext(
                UUID.fromString("11111111-2222-3333-4444-555555555555"),
                Path.of("/run/lab"),
                Clock.system(),
                RandomSource.secure(),
                blocking,
                Operation.unbounded("lab", Clock.system()));
    }

    private static void setState(ScsiDisk disk, String state) throws IOException {
        Files.writeString(Path.of("/sys/class/block", disk.name(), "device/state"), state + "\n");
    }

    /** Something that is done to paths while the LUN is written. */
    private interface Trouble {
        void make(MultipathMedium medium, LabLoad load) throws Exception;
    }

    private void underLoad(Trouble trouble) throws Exception {
        Lane lane = engine.lanes().getFirst();
        try (MultipathMedium medium = luns.open(TWO_PATHS, true, QUICK, context())) {
            LabLoad load = new LabLoad(lane, medium.device(), PAGES);
            load.start();
            awaitProgress(load);
            try {
                trouble.make(medium, load);
                awaitProgress(load);
            } finally {
                IoStatus failure = load.stop();
                requireEqual(IoStatus.OK, failure);
            }
            requireEqual(-1, load.firstWrong(offset -> medium.read(offset, 4096)));
            System.out.println(load.done() + " writes, " + medium.paths());
        }
    }

    static void awaitProgress(LabLoad load) throws InterruptedException {
        long before = load.done();
        await("more writes", () -> load.done() > before + 200);
    }

    private static long healthy(MultipathMedium medium) {
        return medium.paths().stream().filter(PathHealth::healthy).count();
    }

    private void onePathFailsUnderLoad() throws Exception {
        ScsiDisk first = discovery.paths(TWO_PATHS).getFirst();
        underLoad(
                (medium, load) -> {
                    requireEqual(2L, healthy(medium));
                    setState(first, "offline");
                    await("the path is given up", () -> healthy(medium) == 1);
                    awaitProgress(load);
                    setState(first, "running");
                    await("the path is back", () -> healthy(medium) == 2);
                    requireEqual(1L, medium.device().lossEpoch());
                });
    }

    private void allPathsFailUnderLoad() throws Exception {
        List<ScsiDisk> disks = discovery.paths(TWO_PATHS);
        underLoad(
                (medium, load) -> {
                    for (ScsiDisk disk : disks) {
                        setState(disk, "offline");
                    }
                    await("all paths are given up", () -> healthy(medium) == 0);
                    long before = load.done();
                    // Long enough for several looks of the watcher.
                    Thread.sleep(3000);
                    require(load.done() <= before + 8, "writes went on without a path");
                    setState(disks.getLast(), "running");
                    await("a path is back", () -> healthy(medium) == 1);
                    awaitProgress(load);
                    requireEqual(2L, medium.device().lossEpoch());
                    setState(disks.getFirst(), "running");
                    await("both paths are back", () -> healthy(medium) == 2);
                });
    }

    private void pathIsUnpluggedUnderLoad() throws Exception {
        ScsiDisk first = discovery.paths(TWO_PATHS).getFirst();
        underLoad(
                (medium, load) -> {
                    Files.writeString(
                            Path.of("/sys/class/block", first.name(), "device/delete"), "1");
                    await("the path is gone", () -> medium.paths().size() == 1);
                    awaitProgress(load);
                    Files.writeString(
                            Path.of(
                                    "/sys/class/scsi_host",
                                    "host" + first.address().host(),
                                    "scan"),
                            "- - -");
                    await("a new path is there", () -> healthy(medium) == 2);
                });
    }

    private void lunBecomesLarger() throws Exception {
        List<ScsiDisk> disks = discovery.paths(TWO_PATHS);
        underLoad((medium, load) -> LabResize.run(medium, disks));
    }

    private LabUnplug unplugging() {
        return new LabUnplug(engine, context());
    }

    private void repositoryLivesThroughAFailedPath() throws Exception {
        LvmOverHbaSrDriver driver = new LvmOverHbaSrDriver(HostRoot.system(), QUICK);
        DeviceConfig config = new DeviceConfig(Map.of("SCSIid", TWO_PATHS, "force", "true"));
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "lab", "", Map.of());
        driver.create(identity, config, context());
        VolumeId disk = new VolumeId(VolumeKind.RAW, UUID.randomUUID());
        ScsiDisk first = discovery.paths(TWO_PATHS).getFirst();
        try (AttachedSr sr = driver.attach(identity, config, context())) {
            sr.volumes().commit(List.of(new VolumeChange.Create(disk, 16L << 20, Map.of())));
            loadVolume(sr, disk, first);
        }
        requireEqual(
                identity.uuid(),
                driver.probe(config, context()).repositories().getFirst().identity().uuid());
        try (AttachedSr sr = driver.attach(identity, config, context())) {
            require(sr.volumes().find(disk).isPresent(), "the volume is gone");
        }
    }

    private void loadVolume(AttachedSr sr, VolumeId disk, ScsiDisk first) throws Exception {
        try (OpenVolume volume = engine.open(sr.volumes().open(disk, true), true)) {
            LabLoad load = new LabLoad(engine.lanes().getFirst(), volume.device(), PAGES);
            load.start();
            awaitProgress(load);
            setState(first, "offline");
            await("the path is given up", () -> unhealthy(sr) == 1);
            awaitProgress(load);
            sr.check();
            setState(first, "running");
            await("the path is back", () -> unhealthy(sr) == 0);
            awaitProgress(load);
            requireEqual(IoStatus.OK, load.stop());
            BlockAccess bytes = volume.access(Operation.unbounded("lab", Clock.system()));
            requireEqual(-1, load.firstWrong(offset -> bytes.read(offset, 4096)));
            System.out.println(load.done() + " writes to a volume, " + sr.paths());
        }
    }

    private static long unhealthy(AttachedSr sr) {
        return sr.paths().stream().filter(path -> !path.healthy()).count();
    }

    private void deviceMapperTakesOver() throws Exception {
        Files.writeString(
                Path.of("/etc/multipath.conf"),
                """
                defaults {
                find_multipaths yes
                path_grouping_policy failover
                no_path_retry 10
                polling_interval 2
                }
                """);
        underLoad(
                (medium, load) -> {
                    run("modprobe", "dm_multipath");
                    run("multipathd");
                    await(
                            "the map is taken",
                            () ->
                                    medium.paths().size() == 1
                                            && medium.paths()
                                                    .getFirst()
                                                    .path()
                                                    .startsWith("/dev/dm-"));
                    ScsiLun lun = discovery.lun(TWO_PATHS).orElseThrow();
                    String shown = run("multipath", "-ll");
                    System.out.println(shown);
                    for (ScsiDisk disk : lun.disks()) {
                        require(shown.contains(disk.name()), "multipath -ll lacks " + disk.name());
                    }
                    requireEqual(
                            lun.disks().stream().map(ScsiDisk::name).sorted().toList(),
                            lun.map().orElseThrow().slaves());
                    requireEqual("", lun.use());
                    setState(lun.first(), "offline");
                    awaitProgress(load);
                    await(
                            "the path below the map is shown",
                            () ->
                                    luns.health(TWO_PATHS, medium).stream()
                                            .anyMatch(path -> !path.healthy()));
                    requireEqual(1L, healthy(medium));
                    setState(lun.first(), "running");
                    awaitProgress(load);
                });
    }
}
