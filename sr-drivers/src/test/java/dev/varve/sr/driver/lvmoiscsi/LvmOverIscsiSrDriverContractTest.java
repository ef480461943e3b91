// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmoiscsi;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.TgtServer;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** On LUNs of a target on the loopback network, with two portals. */
@Tag("real")
class LvmOverIscsiSrDriverContractTest implements SrDriverContract {
    private static final String IQN = "iqn.2026-01.dev.varve.test:disks";
    private static final String OTHER = "iqn.2026-01.dev.varve.test:other";
    private static final String LOCAL = "iqn.2026-01.dev.varve.test:host";
    private static final long SIZE_BYTES = 320L << 20;

    @TempDir Path directory;
    private final LvmOverIscsiSrDriver driver = new LvmOverIscsiSrDriver();
    private TgtServer server;
    private Path backing;
    private String firstId;
    private String secondId;

    @BeforeEach
    void startTarget() throws Exception {
        server = TgtServer.start(directory, 2);
        server.addTarget(1, IQN);
        server.addTarget(2, OTHER);
        backing = server.addLun(1, 1, SIZE_BYTES, 512);
        server.addLun(1, 2, SIZE_BYTES, 4096);
        List<String> ids = idsOf(failsWith(ErrorCode.CONFIG_SCSI_ID_MISSING, target()));
        firstId = ids.get(0);
        secondId = ids.get(1);
    }

    @AfterEach
    void stopTarget() throws Exception {
        if (server != null) {
            server.close();
        }
    }

    private static List<String> idsOf(StorageException failure) {
        List<String> ids = new ArrayList<>();
        Matcher matcher =
                Pattern.compile("<SCSIid>\\s*(\\S+)\\s*</SCSIid>")
                        .matcher(failure.params().getLast());
        while (matcher.find()) {
            ids.add(matcher.group(1));
        }
        return ids;
    }

    private StorageException failsWith(ErrorCode code, Map<String, String> config) {
        return assertFails(
                code, () -> driver.probe(new DeviceConfig(config), SrDriverContract.context(HOST)));
    }

    private Map<String, String> portal() {
        Portal portal = server.portal();
        return Map.of(
                "target",
                portal.host(),
                "port",
                Integer.toString(portal.port()),
                "localIQN",
                LOCAL);
    }

    private Map<String, String> target() {
        return with(portal(), "targetIQN", IQN);
    }

    private static Map<String, String> with(Map<String, String> map, String... pairs) {
        Map<String, String> more = new TreeMap<>(map);
        for (int i = 0; i < pairs.length; i += 2) {
            more.put(pairs[i], pairs[i + 1]);
        }
        return more;
    }

    @Override
    public SrDriver driver() {
        return driver;
    }

    @Override
    public Map<String, String> config() {
        return with(target(), "SCSIid", firstId);
    }

    @Override
    public Map<String, String> otherConfig() {
        return with(target(), "SCSIid", secondId);
    }

    @Override
    public ErrorCode missingKeyError(String key) {
        return switch (key) {
            case "target" -> ErrorCode.CONFIG_TARGET_MISSING;
            case "targetIQN" -> ErrorCode.CONFIG_TARGET_IQN_MISSING;
            default -> ErrorCode.CONFIG_SCSI_ID_MISSING;
        };
    }

    /** A target that is away is waited for; how that goes is tested where paths are. */
    @Override
    public boolean takeAway() {
        return false;
    }

    @Override
    public void bringBack() {}

    @Override
    public Object traces() {
        try (RandomAccessFile file = new RandomAccessFile(backing.toFile(), "r")) {
            byte[] head = new byte[12 << 20];
            file.readFully(head);
            return HexFormat.of().formatHex(java.util.Arrays.copyOf(head, 8192));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // ---- what there is to choose from

    @Test
    void probeAsksForWhatIsMissingOneByOne() {
        failsWith(ErrorCode.CONFIG_TARGET_MISSING, Map.of());
        String targets =
                failsWith(ErrorCode.CONFIG_TARGET_IQN_MISSING, portal()).params().getLast();
        assertTrue(targets.contains("<iscsi-target-iqns>"), targets);
        assertTrue(targets.contains(IQN) && targets.contains(OTHER), targets);
        assertTrue(targets.indexOf("*") > targets.lastIndexOf("iqn."), targets);
        assertTrue(targets.contains(Integer.toString(server.portal().port())), targets);
        String luns = failsWith(ErrorCode.CONFIG_SCSI_ID_MISSING, target()).params().getLast();
        assertTrue(luns.contains("<vendor>"), luns);
        assertTrue(luns.contains(Long.toString(SIZE_BYTES)), luns);
        assertEquals(
                List.of(),
                driver.probe(new DeviceConfig(config()), SrDriverContract.context(HOST))
                        .repositories());
    }

    @Test
    void lunIsChosenByItsNumberAndMustHaveTheIdentifier() {
        Map<String, String> byNumber = with(target(), "LUNid", "1");
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "label", "", Map.of());
        driver.create(identity, new DeviceConfig(byNumber), SrDriverContract.context(HOST));
        try (AttachedSr sr =
                driver.attach(
                        identity, new DeviceConfig(config()), SrDriverContract.context(HOST))) {
            assertEquals("scsi-" + firstId, sr.properties().get("devserial"));
            assertEquals("thin", sr.properties().get("allocation"));
        }
        StorageException wrong =
                failsWith(ErrorCode.CONFIG_SCSI_ID_MISSING, with(config(), "LUNid", "2"));
        assertTrue(wrong.sentence().contains(firstId), wrong.sentence());
        assertEquals(List.of(firstId, secondId), idsOf(wrong));
    }

    @Test
    void everyPortalIsAPath() {
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "label", "", Map.of());
        Map<String, String> both = with(config(), "target", String.join(",", TgtServer.ADDRESSES));
        driver.create(identity, new DeviceConfig(both), SrDriverContract.context(HOST));
        try (AttachedSr sr =
                driver.attach(identity, new DeviceConfig(both), SrDriverContract.context(HOST))) {
            sr.check();
            assertEquals(2, sr.paths().size());
            assertTrue(sr.paths().stream().anyMatch(PathHealth::healthy), sr.paths().toString());
        }
    }

    @Test
    void wrongPasswordIsToldAsARefusedLogin() throws Exception {
        server.addAccount(2, "user", "right-password");
        server.addLun(2, 1, SIZE_BYTES, 512);
        Map<String, String> config = with(portal(), "targetIQN", OTHER, "LUNid", "1");
        failsWith(ErrorCode.ISCSI_LOGIN, config);
        failsWith(
                ErrorCode.ISCSI_LOGIN,
                with(config, "chapuser", "user", "chappassword", "wrong-password"));
        driver.probe(
                new DeviceConfig(
                        with(config, "chapuser", "user", "chappassword", "right-password")),
                SrDriverContract.context(HOST));
    }
}
