// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Finds the SCSI adapters, disks and LUNs of a host in sysfs, with no program and no daemon of the
 * host, whether or not device-mapper has made one device of several paths.
 *
 * <table>
 * <caption>What is read of a disk, below {@code class/block/NAME}</caption>
 * <tr><th>attribute</th><th>for</th></tr>
 * <tr><td>dev, size (units of 512 bytes), ro</td><td>number, size, whether it may be
 * written</td></tr>
 * <tr><td>queue/logical_block_size</td><td>logical block</td></tr>
 * <tr><td>queue/write_cache</td><td>whether a flush has something to do</td></tr>
 * <tr><td>device (a link whose last part is HOST:CHANNEL:TARGET:LUN)</td><td>where it is</td></tr>
 * <tr><td>device/type</td><td>0 for a disk; everything else is left out</td></tr>
 * <tr><td>device/vpd_pg83, vpd_pg80, wwid</td><td>SCSIid, serial number; see {@link
 * ScsiIdentity}</td></tr>
 * <tr><td>device/vendor, model, rev, state, access_state</td><td>the same</td></tr>
 * <tr><td>holders</td><td>what was made of it</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any; a call reads some dozens of small files and does not wait for the disks.
 */
public final class ScsiDiscovery {
    private static final int SECTOR_BYTES = 512;
    private static final String DISK_TYPE = "0";
    private static final String WRITE_THROUGH = "write through";
    private static final String BY_ID = "disk/by-id";

    private final HostRoot root;

    /**
     * @param root the host to look at
     */
    public ScsiDiscovery(HostRoot root) {
        this.root = root;
    }

    /** The adapters, by number. */
    public List<ScsiAdapter> adapters() {
        return ScsiAdapter.of(root);
    }

    /** The disks that have a size, in the order of their addresses. */
    public List<ScsiDisk> disks() {
        return root.classOf("block").children().stream()
                .map(this::disk)
                .flatMap(Optional::stream)
                .sorted(BY_ADDRESS)
                .toList();
    }

    private static final Comparator<ScsiDisk> BY_ADDRESS =
            Comparator.comparingInt((ScsiDisk disk) -> disk.address().host())
                    .thenComparingInt(disk -> disk.address().channel())
                    .thenComparingInt(disk -> disk.address().target())
                    .thenComparingLong(disk -> disk.address().lun());

    /** The LUNs that have a name, in the order of their names. */
    public List<ScsiLun> luns() {
        Map<String, List<ScsiDisk>> paths = new TreeMap<>();
        for (ScsiDisk disk : disks()) {
            if (!disk.scsiId().isEmpty()) {
                paths.computeIfAbsent(disk.scsiId(), _ -> new ArrayList<>()).add(disk);
            }
        }
        List<MultipathMap> maps = MultipathMap.of(root);
        DeviceUse use = DeviceUse.of(root);
        return paths.entrySet().stream()
                .map(entry -> lun(entry.getKey(), entry.getValue(), maps, use))
                .toList();
    }

    /** The LUN of a name, when a path to it is there. */
    public Optional<ScsiLun> lun(String scsiId) {
        return luns().stream().filter(lun -> lun.scsiId().equals(scsiId)).findFirst();
    }

    /** The LUN behind a device node, be it a path or a map, or behind a link to one. */
    public Optional<ScsiLun> lunAt(Path device) {
        return luns().stream()
                .filter(lun -> leadsToOneOf(new Sysfs(device), nodes(lun.disks(), lun.map())))
                .findFirst();
    }

    /**
     * The paths to the LUN of a name, and nothing else of it: quicker than {@link #lun(String)}.
     */
    public List<ScsiDisk> paths(String scsiId) {
        return disks().stream().filter(disk -> disk.scsiId().equals(scsiId)).toList();
    }

    /** The map that device-mapper has made of the paths to the LUN of a name, if it has. */
    public Optional<MultipathMap> map(String scsiId) {
        return MultipathMap.of(root).stream()
                .filter(map -> map.scsiId().equals(scsiId))
                .findFirst();
    }

    private ScsiLun lun(
            String scsiId, List<ScsiDisk> disks, List<MultipathMap> maps, DeviceUse use) {
        Optional<MultipathMap> map =
                maps.stream().filter(candidate -> candidate.scsiId().equals(scsiId)).findFirst();
        List<String> names = new ArrayList<>(disks.stream().map(ScsiDisk::name).toList());
        map.ifPresent(device -> names.add(device.name()));
        return new ScsiLun(scsiId, disks, map, link(disks, map), use.of(names), use.isRoot(names));
    }

    // ---- one disk

    private Optional<ScsiDisk> disk(Sysfs block) {
        Sysfs device = block.at("device");
        Optional<ScsiDisk.Address> address = address(device);
        long sectors = block.number("size").orElse(0);
        boolean usable =
                address.isPresent()
                        && device.textOrEmpty("type").equals(DISK_TYPE)
                        && sectors > 0
                        && sectors <= Long.MAX_VALUE / SECTOR_BYTES;
        return usable
                ? Optional.of(disk(block, device, address.get(), sectors * SECTOR_BYTES))
                : Optional.empty();
    }

    private ScsiDisk disk(Sysfs block, Sysfs device, ScsiDisk.Address address, long sizeBytes) {
        ScsiIdentity identity = ScsiIdentity.of(device);
        return new ScsiDisk(
                block.name(),
                root.dev().resolve(block.name()),
                block.textOrEmpty("dev"),
                address,
                identity.scsiId(),
                device.textOrEmpty("vendor"),
                device.textOrEmpty("model"),
                device.textOrEmpty("rev"),
                identity.serial(),
                sizeBytes,
                blockBytes(block),
                device.textOrEmpty("state"),
                device.textOrEmpty("access_state"),
                block.textOrEmpty("ro").equals("1"),
                isCached(block));
    }

    /** The kernel asks the disk for its caching mode page. */
    static boolean isCached(Sysfs block) {
        return !block.textOrEmpty("queue/write_cache").equals(WRITE_THROUGH);
    }

    /**
     * Anything but a sector or a page would be no disk of ours; it is refused when it is opened.
     */
    private static int blockBytes(Sysfs block) {
        long bytes = block.number("queue/logical_block_size").orElse(SECTOR_BYTES);
        return (int) Math.min(bytes, Integer.MAX_VALUE);
    }

    /** SCSI devices, and nothing else, have a directory of such a name. */
    private static Optional<ScsiDisk.Address> address(Sysfs device) {
        return device.real()
                .map(Sysfs::name)
                .filter(name -> name.matches("([0-9]{1,9}:){3}[0-9]{1,18}"))
                .map(name -> name.split(":", -1))
                .map(
                        part ->
                                new ScsiDisk.Address(
                                        Integer.parseInt(part[0]),
                                        Integer.parseInt(part[1]),
                                        Integer.parseInt(part[2]),
                                        Long.parseLong(part[3])));
    }

    // ---- links

    private Optional<Path> link(List<ScsiDisk> disks, Optional<MultipathMap> map) {
        Sysfs links = new Sysfs(root.dev().resolve(BY_ID));
        List<Path> wanted = nodes(disks, map);
        String exact = "scsi-" + disks.getFirst().scsiId();
        return links.names().stream()
                .filter(name -> name.startsWith("scsi-") || name.startsWith("wwn-"))
                .filter(name -> leadsToOneOf(links.at(name), wanted))
                .min(
                        Comparator.comparing((String name) -> !name.equals(exact))
                                .thenComparing(name -> name))
                .map(name -> links.directory().resolve(name));
    }

    private static List<Path> nodes(List<ScsiDisk> disks, Optional<MultipathMap> map) {
        List<Path> nodes = new ArrayList<>();
        map.ifPresent(device -> nodes.add(device.node()));
        disks.forEach(disk -> nodes.add(disk.node()));
        return nodes;
    }

    /** The nodes themselves may be links as well: a tree that was made has no nodes of its own. */
    private static boolean leadsToOneOf(Sysfs link, List<Path> nodes) {
        Optional<Path> target = link.real().map(Sysfs::directory);
        return target.isPresent()
                && nodes.stream()
                        .anyMatch(
                                node ->
                                        new Sysfs(node)
                                                .real()
                                                .map(Sysfs::directory)
                                                .equals(target));
    }
}
