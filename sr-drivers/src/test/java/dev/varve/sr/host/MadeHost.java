// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;

/**
 * A host that is not there: directories that look like those of the kernel and of udev, laid out as
 * the lab guest has them. Device nodes are links to whatever stands for the disk.
 */
public final class MadeHost {
    private final Path directory;

    /** An empty host in a directory. */
    public MadeHost(Path directory) {
        this.directory = directory;
        make(root().sysfs().resolve("class/block"));
        make(root().sysfs().resolve("class/scsi_host"));
        make(root().dev().resolve("disk/by-id"));
        write(root().mountInfo(), "");
    }

    /** Where it is. */
    public HostRoot root() {
        return HostRoot.under(directory);
    }

    /** What it shows. */
    public ScsiDiscovery discovery() {
        return new ScsiDiscovery(root());
    }

    // ---- files

    private static void make(Path path) {
        try {
            Files.createDirectories(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void write(Path file, String text) {
        write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    static void write(Path file, byte[] bytes) {
        try {
            make(file.getParent());
            Files.write(file, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void link(Path link, Path target) {
        try {
            make(link.getParent());
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, target);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path sys(String path) {
        return root().sysfs().resolve(path);
    }

    // ---- adapters

    /** A SCSI host of a driver, behind a PCI device. */
    public MadeHost adapter(int number, String driver) {
        Path host = hostDirectory(number).resolve("scsi_host/host" + number);
        write(host.resolve("proc_name"), driver + "\n");
        write(host.resolve("state"), "running\n");
        link(sys("class/scsi_host/host" + number), host);
        return this;
    }

    /** Makes an adapter one of Fibre Channel. */
    public MadeHost fibre(int number, String nodeName, String portName, String state) {
        Path host = sys("class/fc_host/host" + number);
        write(host.resolve("node_name"), nodeName + "\n");
        write(host.resolve("port_name"), portName + "\n");
        write(host.resolve("port_state"), state + "\n");
        write(host.resolve("speed"), "16 Gbit\n");
        return this;
    }

    /** Makes an adapter one of SAS with a phy. */
    public MadeHost sas(int number, String address) {
        make(sys("class/sas_host/host" + number));
        write(sys("class/sas_phy/phy-" + number + ":0/sas_address"), address + "\n");
        return this;
    }

    private Path hostDirectory(int number) {
        return sys("devices/pci0000:00/0000:00:0" + number % 10 + ".0/host" + number);
    }

    // ---- disks

    /** What is told of a disk that is made. */
    public final class Disk {
        private final String name;
        private final Path device;
        private final Path block;

        private Disk(String name, String address) {
            this.name = name;
            String[] part = address.split(":", -1);
            Path target = hostDirectory(Integer.parseInt(part[0])).resolve("target" + part[0]);
            this.device = target.resolve(address);
            this.block = device.resolve("block").resolve(name);
        }

        /** Sets an attribute of the SCSI device. */
        public Disk device(String attribute, String value) {
            write(device.resolve(attribute), value + "\n");
            return this;
        }

        /** Sets a binary attribute of the SCSI device. */
        public Disk device(String attribute, byte[] value) {
            write(device.resolve(attribute), value);
            return this;
        }

        /** Sets an attribute of the block device. */
        public Disk block(String attribute, String value) {
            write(block.resolve(attribute), value + "\n");
            return this;
        }

        /** Gives it what bears its bytes. */
        public Disk node(Path target) {
            link(root().dev().resolve(name), target);
            return this;
        }

        /** Gives it a partition. */
        public Disk partition(String partition, String number) {
            write(block.resolve(partition).resolve("partition"), "1\n");
            write(block.resolve(partition).resolve("dev"), number + "\n");
            make(block.resolve(partition).resolve("holders"));
            link(sys("class/block/" + partition), block.resolve(partition));
            return this;
        }

        /** Takes it away. */
        public void unplug() {
            try {
                Files.delete(sys("class/block/" + name));
                Files.deleteIfExists(root().dev().resolve(name));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /**
     * A disk that works.
     *
     * @param naa its name, as hexadecimal digits of an NAA designator
     */
    public Disk disk(
            String name, String number, String address, String naa, String serial, long bytes) {
        Disk disk = new Disk(name, address);
        disk.block("dev", number)
                .block("size", Long.toString(bytes / 512))
                .block("ro", "0")
                .block("queue/logical_block_size", "512")
                .device("type", "0")
                .device("state", "running")
                .device("vendor", "LABVEND ")
                .device("model", "SASDISK         ")
                .device("rev", "2.5+")
                .device("wwid", "naa." + naa)
                .device("vpd_pg80", serialPage(serial))
                .device("vpd_pg83", identificationPage(naaDesignator(naa)));
        make(disk.block.resolve("holders"));
        link(disk.block.resolve("device"), disk.device);
        link(sys("class/block/" + name), disk.block);
        return disk;
    }

    /** A map of device-mapper over disks. */
    public MadeHost map(String name, String mapName, String uuid, List<String> slaves) {
        Path block = sys("devices/virtual/block/" + name);
        write(block.resolve("dm/name"), mapName + "\n");
        write(block.resolve("dm/uuid"), uuid + "\n");
        write(block.resolve("dev"), "253:" + name.substring("dm-".length()) + "\n");
        write(block.resolve("size"), "2048\n");
        make(block.resolve("holders"));
        for (String slave : slaves) {
            Path of = sys("class/block/" + slave);
            link(block.resolve("slaves").resolve(slave), of);
            link(of.resolve("holders").resolve(name), block);
        }
        link(sys("class/block/" + name), block);
        return this;
    }

    /** A link of udev's. */
    public MadeHost byId(String name, String device) {
        link(root().dev().resolve("disk/by-id").resolve(name), root().dev().resolve(device));
        return this;
    }

    /** Mounts a device. */
    public MadeHost mount(String number, String point) {
        write(
                root().mountInfo(),
                "29 1 %s / %s rw,relatime shared:1 - ext4 /dev/x rw\n".formatted(number, point));
        return this;
    }

    // ---- pages

    /** A page of vital product data with a serial number. */
    public static byte[] serialPage(String serial) {
        byte[] text = serial.getBytes(StandardCharsets.ISO_8859_1);
        return page(0x80, text);
    }

    /** A page of vital product data with designators. */
    public static byte[] identificationPage(byte[]... designators) {
        ByteBuffer body = ByteBuffer.allocate(4096);
        for (byte[] designator : designators) {
            body.put(designator);
        }
        return page(0x83, java.util.Arrays.copyOf(body.array(), body.position()));
    }

    private static byte[] page(int code, byte[] body) {
        return ByteBuffer.allocate(4 + body.length)
                .put((byte) 0)
                .put((byte) code)
                .putShort((short) body.length)
                .put(body)
                .array();
    }

    /** A designator of the LUN, from hexadecimal digits. */
    public static byte[] naaDesignator(String digits) {
        return designator(1, 3, HexFormat.of().parseHex(digits));
    }

    /** A designator. */
    public static byte[] designator(int codeSet, int associationAndType, byte[] value) {
        return ByteBuffer.allocate(4 + value.length)
                .put((byte) codeSet)
                .put((byte) associationAndType)
                .put((byte) 0)
                .put((byte) value.length)
                .put(value)
                .array();
    }
}
