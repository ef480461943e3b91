// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.Errors;
import dev.varve.sr.host.MadeHost;
import dev.varve.sr.multipath.MultipathMedium;
import dev.varve.sr.multipath.PathSettings;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

class HbaLunsTest {
    private static final int SIZE = 1 << 20;
    private static final String SAS = "35000c500aaaa0001";
    private static final String TWO_PATHS = "35000c500aaaa0003";

    @TempDir Path directory;
    private MadeHost host;
    private HbaLuns luns;

    @BeforeEach
    void make() throws IOException {
        host = new MadeHost(directory.resolve("host"));
        host.adapter(0, "virtio_scsi").adapter(1, "virtio_scsi").adapter(3, "ahci");
        host.adapter(5, "mptsas").sas(5, "0x5000c50011111111");
        Path sas = lun("sas");
        Path shared = lun("shared");
        host.disk("sdc", "8:32", "5:0:0:0", "5000c500aaaa0001", "LABSAS01", SIZE).node(sas);
        host.disk("sda", "8:0", "0:0:0:0", "5000c500aaaa0003", "LABMP01", SIZE).node(shared);
        host.disk("sdb", "8:16", "1:0:2:7", "5000c500aaaa0003", "LABMP01", SIZE).node(shared);
        host.disk("sdd", "8:48", "3:0:0:0", "5000c500aaaa0005", "DESKTOP", SIZE).node(sas);
        luns = new HbaLuns(host.root());
    }

    private Path lun(String name) throws IOException {
        return Files.write(directory.resolve(name), new byte[SIZE]);
    }

    private SrContext context() {
        return new SrContext(
                UUID.randomUUID(),
                directory,
                Clock.system(),
                RandomSource.secure(),
                Runnable::run,
                Operation.unbounded("test", Clock.system()));
    }

    private MultipathMedium open() {
        return luns.open(TWO_PATHS, true, PathSettings.usual(), context());
    }

    @Test
    void documentListsLunsAndAdaptersAsClientsExpectThem() {
        host.byId("scsi-" + SAS, "sdc");
        String expected =
                """
                <?xml version="1.0" ?>
                <Devlist>
                  <BlockDevice>
                    <path>DEV/disk/by-id/scsi-35000c500aaaa0001</path>
                    <numpaths>1</numpaths>
                    <SCSIid>35000c500aaaa0001</SCSIid>
                    <vendor>LABVEND</vendor>
                    <serial>LABSAS01</serial>
                    <size>1048576</size>
                    <adapter>5</adapter>
                    <channel>0</channel>
                    <id>0</id>
                    <lun>0</lun>
                    <hba>mptsas</hba>
                  </BlockDevice>
                  <BlockDevice>
                    <path>DEV/sda</path>
                    <numpaths>2</numpaths>
                    <SCSIid>35000c500aaaa0003</SCSIid>
                    <vendor>LABVEND</vendor>
                    <serial>LABMP01</serial>
                    <size>1048576</size>
                    <adapter>0</adapter>
                    <channel>0</channel>
                    <id>0</id>
                    <lun>0</lun>
                    <hba>virtio_scsi</hba>
                  </BlockDevice>
                  <Adapter>
                    <host>host0</host>
                    <name>virtio_scsi</name>
                    <manufacturer>virtio virtio_scsi</manufacturer>
                    <id>0</id>
                  </Adapter>
                  <Adapter>
                    <host>host1</host>
                    <name>virtio_scsi</name>
                    <manufacturer>virtio virtio_scsi</manufacturer>
                    <id>1</id>
                  </Adapter>
                  <Adapter>
                    <host>host5</host>
                    <name>mptsas</name>
                    <manufacturer>LSI mptsas</manufacturer>
                    <id>5</id>
                  </Adapter>
                </Devlist>
                """;
        assertEquals(
                expected.replaceAll("\\s+", "").replace("DEV", host.root().dev().toString()),
                luns.document().replaceAll("\\s+", ""));
    }

    @Test
    void lunsInUseAndTheDiskOfTheSystemAreNoChoices() {
        host.mount("8:32", "/");
        assertEquals(1, luns.choices().size());
        Errors.assertFails(ErrorCode.ROOT_DEVICE, () -> luns.require(SAS));
        host.mount("8:32", "/srv");
        assertTrue(
                Errors.assertFails(ErrorCode.DEVICE_IN_USE, () -> luns.require(SAS))
                        .sentence()
                        .contains("/srv"));
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, () -> luns.require("36000"));
    }

    @Test
    void pathsThatDisagreeAreRefused() {
        host.disk("sdb", "8:16", "1:0:2:7", "5000c500aaaa0003", "LABMP01", 2 * SIZE);
        assertTrue(
                Errors.assertFails(ErrorCode.MULTIPATH_DEVICE, () -> luns.require(TWO_PATHS))
                        .sentence()
                        .contains("sdb 2097152 bytes"));
    }

    @Test
    void deviceOfAnOlderConfigurationNamesItsLun() {
        host.byId("wwn-0x5000c500aaaa0003", "sda");
        assertEquals(
                Optional.of(TWO_PATHS),
                luns.scsiIdOf(host.root().dev().resolve("disk/by-id/wwn-0x5000c500aaaa0003")));
        assertEquals(Optional.of(SAS), luns.scsiIdOf(host.root().dev().resolve("sdc")));
        assertEquals(Optional.empty(), luns.scsiIdOf(host.root().dev().resolve("sdx")));
    }

    @Test
    void lunIsOpenedOverBothPaths() {
        try (MultipathMedium medium = open()) {
            medium.write(4096, new byte[] {1});
            assertEquals(1, medium.read(4096, 1)[0]);
            List<PathHealth> health = luns.health(TWO_PATHS, medium);
            assertEquals(2, health.size());
            assertTrue(health.get(1).path().endsWith("sdb (1:0:2:7)"), health.toString());
            assertTrue(health.stream().allMatch(PathHealth::healthy));
        }
    }

    @Test
    void mapOfDeviceMapperIsOpenedInPlaceOfItsPathsWhichAreShown() {
        host.map("dm-0", "mpatha", "mpath-" + TWO_PATHS, List.of("sda", "sdb"));
        host.disk("sdb", "8:16", "1:0:2:7", "5000c500aaaa0003", "LABMP01", SIZE)
                .device("state", "offline");
        linkNode("dm-0");
        try (MultipathMedium medium = open()) {
            List<PathHealth> health = luns.health(TWO_PATHS, medium);
            assertTrue(health.getFirst().path().endsWith("dm-0 (mpatha)"), health.toString());
            assertEquals(
                    List.of(true, true, false), health.stream().map(PathHealth::healthy).toList());
            assertEquals("the host has it offline", health.getLast().lastError());
        }
    }

    private void linkNode(String name) {
        try {
            Files.createSymbolicLink(host.root().dev().resolve(name), directory.resolve("shared"));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void pathIsUnpluggedAndPluggedInAgainWithAnotherNumber() {
        try (MultipathMedium medium = open()) {
            host.disk("sdb", "8:16", "1:0:2:7", "5000c500aaaa0003", "LABMP01", SIZE).unplug();
            medium.check();
            assertEquals(1, medium.paths().size());
            host.disk("sde", "8:64", "1:0:2:7", "5000c500aaaa0003", "LABMP01", SIZE)
                    .node(directory.resolve("shared"));
            medium.check();
            assertEquals(2, medium.paths().size());
            assertEquals(1, medium.device().lossEpoch());
        }
    }
}
