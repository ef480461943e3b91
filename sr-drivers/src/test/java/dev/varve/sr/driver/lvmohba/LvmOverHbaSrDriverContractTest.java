// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.host.MadeHost;
import dev.varve.sr.lvm.MediumContent;
import dev.varve.sr.multipath.PathSettings;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** On a host that was made, whose disks are files; one LUN has two paths. */
class LvmOverHbaSrDriverContractTest implements SrDriverContract {
    private static final long SIZE_BYTES = 300L << 20;
    private static final String FIRST = "35000c500aaaa0003";
    private static final String SECOND = "35000c500aaaa0004";

    @TempDir Path parent;
    private MadeHost host;
    private Path first;
    private Path second;
    private SrDriver driver;

    @BeforeEach
    void makeHost() throws IOException {
        host = new MadeHost(parent.resolve("host"));
        host.adapter(0, "mpt3sas").adapter(1, "qla2xxx");
        first = file("first");
        second = file("second");
        plug();
        host.disk("sdc", "8:32", "0:0:1:0", "5000c500aaaa0004", "LUN2", SIZE_BYTES).node(second);
        driver = new LvmOverHbaSrDriver(host.root(), new PathSettings(1, 1));
    }

    private Path file(String name) throws IOException {
        Path path = parent.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(SIZE_BYTES);
        }
        return path;
    }

    private void plug() {
        path("sda", "8:0", "0:0:0:0").node(first);
        path("sdb", "8:16", "1:0:0:0").node(first);
    }

    private MadeHost.Disk path(String name, String number, String address) {
        return host.disk(name, number, address, "5000c500aaaa0003", "LUN1", SIZE_BYTES);
    }

    @Override
    public SrDriver driver() {
        return driver;
    }

    @Override
    public Map<String, String> config() {
        return Map.of("SCSIid", FIRST);
    }

    @Override
    public Map<String, String> otherConfig() {
        return Map.of("SCSIid", SECOND);
    }

    @Override
    public ErrorCode missingKeyError(String key) {
        return ErrorCode.CONFIG_SCSI_ID_MISSING;
    }

    @Override
    public boolean takeAway() {
        path("sda", "8:0", "0:0:0:0").unplug();
        path("sdb", "8:16", "1:0:0:0").unplug();
        return true;
    }

    @Override
    public void bringBack() {
        plug();
    }

    @Override
    public Object traces() {
        try (FileMedium medium = FileMedium.open(first, 512, false)) {
            return MediumContent.of(medium);
        }
    }

    // ---- what only this driver does

    @Test
    void probeWithoutSCSIidListsLunsAndAdapters() {
        StorageException failure =
                Errors.assertFails(
                        ErrorCode.CONFIG_SCSI_ID_MISSING,
                        () ->
                                driver.probe(
                                        new DeviceConfig(Map.of()),
                                        SrDriverContract.context(HOST)));
        String document = failure.params().get(2);
        assertTrue(document.contains("<Devlist>"), document);
        assertTrue(document.contains(FIRST) && document.contains(SECOND), document);
        assertTrue(document.contains("<Adapter>"), document);
    }

    @Test
    void pathsAreToldAndTheRepositoryLivesOnWithOne() {
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "label", "description", Map.of());
        DeviceConfig config = new DeviceConfig(Map.of("SCSIid", FIRST, "hold-seconds", "1"));
        driver.create(identity, config, SrDriverContract.context(HOST));
        try (AttachedSr sr = driver.attach(identity, config, SrDriverContract.context(HOST))) {
            assertEquals(
                    List.of(true, true), sr.paths().stream().map(PathHealth::healthy).toList());
            assertEquals(FIRST, sr.properties().get("SCSIid"));
            path("sda", "8:0", "0:0:0:0").unplug();
            sr.check();
            assertEquals(1, sr.paths().size());
            assertTrue(sr.paths().getFirst().path().contains("sdb"));
        }
    }

    @Test
    void deviceOfAnOlderConfigurationStandsForItsLun() {
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "label", "description", Map.of());
        DeviceConfig older =
                new DeviceConfig(Map.of("device", host.root().dev().resolve("sdb").toString()));
        driver.create(identity, older, SrDriverContract.context(HOST));
        ProbeResult found = driver.probe(older, SrDriverContract.context(HOST));
        assertEquals(
                Optional.of(FIRST),
                Optional.ofNullable(found.repositories().getFirst().configuration().get("SCSIid")));
        Errors.assertFails(
                ErrorCode.CONFIG_DEVICE_INVALID,
                () ->
                        driver.probe(
                                new DeviceConfig(Map.of("device", "/dev/none")),
                                SrDriverContract.context(HOST)));
    }

    @Test
    void patienceHasToBeANumberOfSeconds() {
        for (String wrong : List.of("-1", "x", "99999999")) {
            Errors.assertFails(
                    ErrorCode.SR_INVALID_ARGUMENT,
                    () ->
                            driver.probe(
                                    new DeviceConfig(
                                            Map.of("SCSIid", FIRST, "hold-seconds", wrong)),
                                    SrDriverContract.context(HOST)));
        }
    }
}
