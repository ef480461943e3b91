// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.host.HostRoot;
import dev.varve.sr.host.MultipathMap;
import dev.varve.sr.host.ScsiAdapter;
import dev.varve.sr.host.ScsiDiscovery;
import dev.varve.sr.host.ScsiDisk;
import dev.varve.sr.host.ScsiLun;
import dev.varve.sr.host.SgPort;
import dev.varve.sr.multipath.MultipathMedium;
import dev.varve.sr.multipath.PathCandidate;
import dev.varve.sr.multipath.PathReservations;
import dev.varve.sr.multipath.PathSettings;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.ProbeDocument;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.time.Scheduler;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The LUNs behind the adapters of a host: what there is to choose from, and opening one by its
 * SCSIid.
 *
 * <p><b>Threads:</b> any.
 */
final class HbaLuns {
    private static final Set<String> LIKED = Set.of("", "active/optimized");

    private final ScsiDiscovery discovery;

    HbaLuns(HostRoot root) {
        this.discovery = new ScsiDiscovery(root);
    }

    // ---- choosing

    /** The LUNs that a repository could be made of, or that may hold one. */
    List<ScsiLun> choices() {
        Set<Integer> adapters =
                discovery.adapters().stream()
                        .filter(ScsiAdapter::isHostBusAdapter)
                        .map(ScsiAdapter::host)
                        .collect(Collectors.toSet());
        return discovery.luns().stream()
                .filter(lun -> !lun.root() && lun.use().isEmpty())
                .filter(
                        lun ->
                                lun.disks().stream()
                                        .anyMatch(disk -> adapters.contains(disk.address().host())))
                .toList();
    }

    /**
     * What to choose from, for programs: a {@code BlockDevice} for each LUN and an {@code Adapter}
     * for each adapter, in one {@code Devlist}. Sizes are in bytes.
     */
    String document() {
        Map<Integer, ScsiAdapter> adapters = new TreeMap<>();
        discovery.adapters().stream()
                .filter(ScsiAdapter::isHostBusAdapter)
                .forEach(adapter -> adapters.put(adapter.host(), adapter));
        ProbeDocument document = new ProbeDocument("Devlist");
        for (ScsiLun lun : choices()) {
            describe(document, lun, adapters.get(lun.first().address().host()));
        }
        for (ScsiAdapter adapter : adapters.values()) {
            document.open("Adapter")
                    .element("host", adapter.name())
                    .element("name", adapter.driver())
                    .element("manufacturer", adapter.manufacturer())
                    .element("id", Integer.toString(adapter.host()))
                    .close();
        }
        return document.text();
    }

    private static void describe(ProbeDocument document, ScsiLun lun, ScsiAdapter adapter) {
        ScsiDisk disk = lun.first();
        document.open("BlockDevice")
                .element("path", lun.path().toString())
                .element("numpaths", Integer.toString(lun.disks().size()))
                .element("SCSIid", lun.scsiId())
                .element("vendor", disk.vendor())
                .element("serial", disk.serial())
                .element("size", Long.toString(disk.sizeBytes()))
                .element("adapter", Integer.toString(disk.address().host()))
                .element("channel", Integer.toString(disk.address().channel()))
                .element("id", Integer.toString(disk.address().target()))
                .element("lun", Long.toString(disk.address().lun()))
                .element("hba", adapter == null ? "" : adapter.driver())
                .close();
    }

    /**
     * The LUN of a name, fit for a repository.
     *
     * @throws StorageException SR_UNAVAILABLE when no path to it is there, ROOT_DEVICE or
     *     DEVICE_IN_USE when it is something else's, MULTIPATH_DEVICE when its paths disagree
     */
    ScsiLun require(String scsiId) {
        ScsiLun lun =
                discovery
                        .lun(scsiId)
                        .orElseThrow(
                                () ->
                                        ErrorCode.SR_UNAVAILABLE.because(
                                                "no adapter of this host reaches a LUN with"
                                                        + " device-config:SCSIid="
                                                        + scsiId
                                                        + "; sr-probe without SCSIid lists those"
                                                        + " that it does"));
        if (lun.root()) {
            throw ErrorCode.ROOT_DEVICE.because(
                    "the LUN %s (%s) holds the system of this host".formatted(scsiId, lun.path()));
        }
        if (!lun.use().isEmpty()) {
            throw ErrorCode.DEVICE_IN_USE.because(
                    "the LUN %s (%s) is in use: %s".formatted(scsiId, lun.path(), lun.use()));
        }
        requireUnclaimed(lun);
        if (!lun.isConsistent()) {
            throw ErrorCode.MULTIPATH_DEVICE.because(
                    "the paths to the LUN %s tell different sizes: %s; rescan those that are wrong"
                            .formatted(scsiId, sizes(lun)));
        }
        return lun;
    }

    /** The kernel lets one user claim a device: a mount of another namespace, a swap area. */
    private static void requireUnclaimed(ScsiLun lun) {
        List<Path> nodes =
                lun.map().isPresent()
                        ? List.of(lun.node())
                        : lun.disks().stream().map(ScsiDisk::node).toList();
        for (Path node : nodes) {
            int fd = Libc.open(node.toString(), Libc.O_RDONLY | Libc.O_EXCL);
            if (fd >= 0) {
                Libc.close(fd);
            } else if (fd == -Libc.EBUSY) {
                throw ErrorCode.DEVICE_IN_USE.because(
                        "the LUN %s is in use: another program, a mount or a swap area has %s"
                                .formatted(lun.scsiId(), node));
            }
        }
    }

    private static String sizes(ScsiLun lun) {
        return lun.disks().stream()
                .map(disk -> disk.name() + " " + disk.sizeBytes() + " bytes")
                .collect(Collectors.joining(", "));
    }

    /** The SCSIid of a device that was named by its path, as older configurations do. */
    Optional<String> scsiIdOf(Path device) {
        return discovery.lunAt(device).map(ScsiLun::scsiId);
    }

    // ---- opening

    /** Opens a LUN over all its paths; {@link #require} has looked whether it may be. */
    MultipathMedium open(
            String scsiId, boolean writable, PathSettings settings, SrContext context) {
        PathReservations reservations = new PathReservations(() -> ports(scsiId));
        return MultipathMedium.open(
                scsiId,
                () -> candidates(scsiId),
                writable,
                settings,
                new MultipathMedium.Services(
                        context.clock(), Scheduler.system("paths-" + scsiId), context.blocking()),
                Optional.of(reservations).filter(PathReservations::isSupported));
    }

    /** Those below a map of device-mapper as well: each has a key of its own. */
    private List<ScsiPort> ports(String scsiId) {
        return discovery.paths(scsiId).stream()
                .filter(ScsiDisk::isRunning)
                .<ScsiPort>map(disk -> new SgPort(disk.node()))
                .toList();
    }

    /** The map of device-mapper where there is one; it knows its paths better than we do. */
    private List<PathCandidate> candidates(String scsiId) {
        List<ScsiDisk> disks = discovery.paths(scsiId);
        Optional<MultipathMap> map = disks.isEmpty() ? Optional.empty() : discovery.map(scsiId);
        return map.isPresent()
                ? List.of(candidate(map.get(), disks.getFirst()))
                : disks.stream().map(HbaLuns::candidate).toList();
    }

    private static PathCandidate candidate(MultipathMap map, ScsiDisk disk) {
        return new PathCandidate(
                map.node(),
                map.name(),
                map.mapName(),
                disk.blockBytes(),
                disk.sizeBytes(),
                true,
                0,
                disk.cached());
    }

    private static PathCandidate candidate(ScsiDisk disk) {
        return new PathCandidate(
                disk.node(),
                disk.number(),
                disk.address().toString(),
                disk.blockBytes(),
                disk.sizeBytes(),
                disk.isRunning(),
                LIKED.contains(disk.access()) ? 0 : 1,
                disk.cached());
    }

    /**
     * How the paths do. Those below a map of device-mapper are told as the host shows them, after
     * the map itself.
     */
    List<PathHealth> health(String scsiId, MultipathMedium medium) {
        List<PathHealth> health = new ArrayList<>(medium.paths());
        if (discovery.map(scsiId).isPresent()) {
            for (ScsiDisk disk : discovery.paths(scsiId)) {
                String place = disk.node() + " (" + disk.address() + ")";
                String reason = disk.isRunning() ? "" : "the host has it " + disk.state();
                health.add(new PathHealth(scsiId, place, disk.isRunning(), 0, reason));
            }
        }
        return health;
    }
}
