// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.host.ScsiAdapter.Kind;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

class ScsiDiscoveryTest {
    private static final long SIZE = 64L << 20;
    private static final String SAS = "35000c500aaaa0001";
    private static final String TWO_PATHS = "35000c500aaaa0003";

    @TempDir Path directory;
    private MadeHost host;

    /** As the lab guest shows it, with an adapter of Fibre Channel besides. */
    @BeforeEach
    void make() {
        host = new MadeHost(directory);
        host.adapter(0, "virtio_scsi").adapter(1, "virtio_scsi").adapter(2, "megaraid_sas");
        host.adapter(5, "mptsas").sas(5, "0x5000c50011111111");
        host.adapter(10, "qla2xxx").fibre(10, "0x20000024ff3b1234", "0x21000024ff3b1234", "Online");
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE);
        host.disk("sdd", "8:48", "2:1:0:0", "5000c500aaaa0002", "LABMEGA1", SIZE);
        host.disk("sda", "8:0", "0:0:0:0", "5000c500aaaa0003", "LABMP01", SIZE);
        host.disk("sdb", "8:16", "1:0:0:0", "5000c500aaaa0003", "LABMP01", SIZE);
    }

    private ScsiLun lun(String scsiId) {
        return host.discovery().lun(scsiId).orElseThrow();
    }

    @Test
    void adaptersAreToldWithWhatIsBehindThem() {
        List<ScsiAdapter> adapters = host.discovery().adapters();
        assertEquals(List.of(0, 1, 2, 5, 10), adapters.stream().map(ScsiAdapter::host).toList());
        ScsiAdapter sas = adapters.get(3);
        assertEquals(Kind.SAS, sas.kind());
        assertEquals("0x5000c50011111111", sas.portName());
        assertEquals("LSI mptsas", sas.manufacturer());
        ScsiAdapter fibre = adapters.get(4);
        assertEquals(Kind.FC, fibre.kind());
        assertEquals("0x20000024ff3b1234", fibre.nodeName());
        assertEquals("0x21000024ff3b1234", fibre.portName());
        assertEquals("Online", fibre.portState());
        assertEquals(Kind.OTHER, adapters.getFirst().kind());
    }

    @Test
    void pathsToOneLunAreFoundWithoutDeviceMapper() {
        ScsiLun lun = lun(TWO_PATHS);
        assertEquals(List.of("sda", "sdb"), lun.disks().stream().map(ScsiDisk::name).toList());
        assertTrue(lun.map().isEmpty());
        assertEquals(host.root().dev().resolve("sda"), lun.node());
        assertEquals("LABMP01", lun.first().serial());
        assertEquals("LABVEND", lun.first().vendor());
        assertEquals("1:0:0:0", lun.disks().get(1).address().toString());
        assertEquals(SIZE, lun.first().sizeBytes());
        assertEquals("", lun.use());
        assertTrue(lun.isConsistent());
    }

    @Test
    void diskIsTakenToHaveACacheUnlessTheKernelSaysOtherwise() {
        host.disk("sde", "8:64", "5:0:1:0", "5000c500aaaa0005", "LABSAS05", SIZE)
                .block("queue/write_cache", "write through");
        assertFalse(lun("35000c500aaaa0005").first().cached());
        host.disk("sdf", "8:80", "5:0:2:0", "5000c500aaaa0006", "LABSAS06", SIZE)
                .block("queue/write_cache", "write back");
        assertTrue(lun("35000c500aaaa0006").first().cached());
        assertTrue(lun(SAS).first().cached());
    }

    @Test
    void mapOfDeviceMapperIsPreferredAndIsNoUseOfItsPaths() {
        host.map("dm-0", "mpatha", "mpath-" + TWO_PATHS, List.of("sda", "sdb"));
        ScsiLun lun = lun(TWO_PATHS);
        assertEquals("mpatha", lun.map().orElseThrow().mapName());
        assertEquals(List.of("sda", "sdb"), lun.map().orElseThrow().slaves());
        assertEquals(host.root().dev().resolve("dm-0"), lun.node());
        assertEquals("", lun.use());
    }

    @Test
    void whatIsMadeOfALunOrItsMapIsAUse() {
        host.map("dm-0", "mpatha", "mpath-" + TWO_PATHS, List.of("sda", "sdb"));
        host.map("dm-1", "vg-root", "LVM-abc", List.of("dm-0"));
        assertEquals("it is part of vg-root (dm-1)", lun(TWO_PATHS).use());
        assertEquals("", lun(SAS).use());
    }

    @Test
    void mountedPartitionIsAUseAndTheRootIsToldApart() {
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE)
                .partition("sdc1", "8:33");
        assertEquals("", lun(SAS).use());
        host.mount("8:33", "/srv/data");
        assertEquals("sdc1 is mounted at /srv/data", lun(SAS).use());
        assertFalse(lun(SAS).root());
        host.mount("8:33", "/");
        assertTrue(lun(SAS).root());
        assertFalse(lun(TWO_PATHS).root());
    }

    @Test
    void systemOnAVolumeOfTheLunIsTheRootToo() {
        host.map("dm-1", "vg-root", "LVM-abc", List.of("sdc")).mount("253:1", "/");
        assertTrue(lun(SAS).root());
        assertEquals("dm-1 is mounted at /", lun(SAS).use());
    }

    @Test
    void linkOfTheSameNameIsTakenBeforeOthers() {
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE)
                .node(Path.of("/dev/null"));
        host.byId("scsi-0LABVEND_SASDISK_sas0", "sdc")
                .byId("scsi-" + SAS, "sdc")
                .byId("wwn-0x5000c500aaaa0001", "sdc")
                .byId("ata-else", "sdc");
        assertEquals(
                Optional.of(host.root().dev().resolve("disk/by-id/scsi-" + SAS)), lun(SAS).link());
    }

    @Test
    void pathsOfDifferentSizesAreNotOneLun() {
        host.disk("sdb", "8:16", "1:0:0:0", "5000c500aaaa0003", "LABMP01", SIZE / 2);
        assertFalse(lun(TWO_PATHS).isConsistent());
    }

    @Test
    void whatIsNoDiskOrHasNoSizeIsLeftOut() throws IOException {
        host.disk("sr0", "11:0", "0:0:1:0", "5000c500aaaa0009", "CD", SIZE).device("type", "5");
        host.disk("sde", "8:64", "0:0:2:0", "5000c500aaaa0008", "EMPTY", 0);
        host.disk("sdf", "8:80", "0:0:3:0", "5000c500aaaa0007", "ODD", SIZE)
                .block("size", "99999999999999999999");
        Path virtio = directory.resolve("sys/class/block/vda");
        Files.createDirectories(virtio);
        Files.writeString(virtio.resolve("size"), "100\n");
        assertEquals(4, host.discovery().disks().size());
    }

    @Test
    void diskWithoutReadableAttributesIsStillADisk() throws IOException {
        MadeHost.Disk disk = host.disk("sde", "8:64", "0:0:2:0", "5000c500aaaa0008", "X", SIZE);
        disk.device("vpd_pg83", new byte[] {0, (byte) 0x83, (byte) 0xFF, (byte) 0xFF, 1, 3});
        disk.device("vpd_pg80", new byte[] {0, (byte) 0x83, 0, 2, 1, 3});
        // A directory cannot be read as a file, as little as an attribute that the driver refuses.
        for (String attribute : List.of("wwid", "vendor", "model", "state")) {
            Path file =
                    directory.resolve("sys/class/block/sde/device").toRealPath().resolve(attribute);
            Files.delete(file);
            Files.createDirectory(file);
        }
        ScsiDisk found =
                host.discovery().disks().stream()
                        .filter(candidate -> candidate.name().equals("sde"))
                        .findFirst()
                        .orElseThrow();
        assertEquals("", found.scsiId());
        assertEquals("", found.vendor());
        assertFalse(found.isRunning());
        assertEquals(2, host.discovery().luns().size() - 1);
    }

    @Test
    void hostileTextsAreMadeHarmless() {
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "\33[31m<&>", SIZE)
                .device("vendor", "\33]0;x\7\u00ff")
                .device("model", "a\nb" + "y".repeat(9000));
        ScsiDisk disk = lun(SAS).first();
        assertEquals("_[31m<&>", disk.serial());
        assertTrue(disk.vendor().chars().noneMatch(Character::isISOControl));
        assertTrue(disk.model().startsWith("a b"), disk.model());
        assertTrue(disk.model().length() <= 4096);
    }

    @Test
    void hostWithoutScsiHasNothing() {
        ScsiDiscovery none =
                new ScsiDiscovery(
                        new HostRoot(
                                directory.resolve("none"),
                                directory.resolve("dev"),
                                host.root().mountInfo()));
        assertEquals(List.of(), none.adapters());
        assertEquals(List.of(), none.luns());
    }

    // ---- names

    private String scsiId(byte[]... designators) {
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE)
                .device("vpd_pg83", MadeHost.identificationPage(designators));
        return host.discovery().disks().stream()
                .filter(disk -> disk.name().equals("sdc"))
                .findFirst()
                .orElseThrow()
                .scsiId();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    @Test
    void bestNameOfTheLunIsTaken() {
        byte[] vendor = MadeHost.designator(2, 0, ascii("drive1"));
        byte[] t10 = MadeHost.designator(2, 1, ascii("QEMU    HARD   disk-1"));
        byte[] eui = MadeHost.designator(1, 2, new byte[] {1, 2, 3, 4, 5, 6, 7, 8});
        byte[] registered = MadeHost.naaDesignator("5000c500aaaa0001");
        byte[] extended = MadeHost.naaDesignator("6000c500aaaa00010000000000000001");
        byte[] port = MadeHost.designator(1, 0x13, new byte[] {0x60, 1, 1, 1, 1, 1, 1, 1});
        assertEquals("0LABVEND_SASDISK_drive1", scsiId(vendor));
        assertEquals("1QEMU_HARD_disk-1", scsiId(vendor, t10));
        assertEquals("20102030405060708", scsiId(vendor, eui, t10));
        assertEquals("35000c500aaaa0001", scsiId(port, registered, eui));
        assertEquals("36000c500aaaa00010000000000000001", scsiId(registered, extended, port));
    }

    @Test
    void withoutADesignatorTheKernelsNameOrTheSerialNumberServes() {
        byte[] ofPort = MadeHost.designator(1, 0x13, new byte[] {0x50, 1, 1, 1, 1, 1, 1, 1});
        assertEquals("35000c500aaaa0001", scsiId(ofPort));
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE)
                .device("vpd_pg83", new byte[0])
                .device("wwid", "");
        assertTrue(host.discovery().lun("SLABVEND_SASDISK_LABSAS01").isPresent());
    }

    @Test
    void cutDesignatorsAreNotReadPastTheirEnd() {
        byte[] page = MadeHost.identificationPage(MadeHost.naaDesignator("5000c500aaaa0001"));
        for (int length = 0; length < page.length; length++) {
            host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE)
                    .device("wwid", "")
                    .device("vpd_pg83", java.util.Arrays.copyOf(page, length));
            String name = lun("SLABVEND_SASDISK_LABSAS01").scsiId();
            assertEquals("SLABVEND_SASDISK_LABSAS01", name, "cut at " + length);
        }
    }
}
