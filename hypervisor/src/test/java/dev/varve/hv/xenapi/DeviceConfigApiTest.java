// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.ProbeDocument;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Passwords, documents of probes, names of the host, paths and handing back, as clients see them.
 */
final class DeviceConfigApiTest {
    private static final String DOCUMENT =
            new ProbeDocument("iscsi-target-iqns").open("TGT").element("Index", "0").text();

    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();
    private TestDaemon daemon;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, storage);
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String create(String... more) throws IOException {
        String[] words = new String[more.length + 4];
        System.arraycopy(
                new String[] {
                    "sr-create", "type=fake", "name-label=one", "device-config:location=a"
                },
                0,
                words,
                0,
                4);
        System.arraycopy(more, 0, words, 4, more.length);
        return daemon.xe(words).ok();
    }

    private Map<?, ?> deviceConfig() {
        return (Map<?, ?>) daemon.record("PBD", daemon.only("PBD")).get("device_config");
    }

    // ---- passwords

    @Test
    void passwordReachesTheDriverAndIsNotShown() throws IOException {
        create("device-config:password=open sesame");
        assertEquals("open sesame", storage.lastConfig.get("password"));
        assertFalse(deviceConfig().containsKey("password"));
        String secret = (String) deviceConfig().get("password_secret");
        assertEquals("open sesame", daemon.call("secret.get_value", daemon.ref("secret", secret)));
        assertFalse(daemon.xe("pbd-list", "params=all").ok().contains("sesame"));
    }

    @Test
    void secretIsResolvedAtEveryPlug() throws IOException {
        String secret = daemon.xe("secret-create", "value=first").ok();
        create("device-config:password_secret=" + secret);
        assertEquals("first", storage.lastConfig.get("password"));
        assertFalse(storage.lastConfig.containsKey("password_secret"));
        daemon.call("secret.set_value", daemon.ref("secret", secret), "second");
        String pbd = daemon.only("PBD");
        daemon.call("PBD.unplug", pbd);
        daemon.call("PBD.plug", pbd);
        assertEquals("second", storage.lastConfig.get("password"));
    }

    @Test
    void secretThatDoesNotExistIsToldByItsNumber() throws IOException {
        TestDaemon.Result refused =
                daemon.xe(
                        "sr-create",
                        "type=fake",
                        "name-label=one",
                        "device-config:location=a",
                        "device-config:password_secret=none");
        assertEquals(1, refused.code());
        assertTrue(refused.err().contains("SR_BACKEND_FAILURE_20"), refused.err());
        assertTrue(refused.err().contains("password_secret names the secret none"), refused.err());
        assertEquals(List.of(), daemon.call("SR.get_all"));
    }

    @Test
    void passwordIsGivenOnce() throws IOException {
        String secret = daemon.xe("secret-create", "value=first").ok();
        TestDaemon.Result refused =
                daemon.xe(
                        "sr-probe",
                        "type=fake",
                        "device-config:location=a",
                        "device-config:password=x",
                        "device-config:password_secret=" + secret);
        assertTrue(refused.err().contains("give one of them"), refused.err());
    }

    @Test
    void secretsMadeForAConnectionGoWithIt() throws IOException {
        String kept = daemon.xe("secret-create", "value=mine").ok();
        create("device-config:password=open sesame");
        String pbd = daemon.only("PBD");
        daemon.call("PBD.unplug", pbd);
        daemon.call("PBD.set_device_config", pbd, Map.of("location", "a", "password", "new"));
        assertEquals(2, ((List<?>) daemon.call("secret.get_all")).size());
        daemon.call("PBD.set_device_config", pbd, Map.of("location", "a", "password_secret", kept));
        daemon.call("PBD.destroy", pbd);
        assertEquals(List.of(daemon.ref("secret", kept)), daemon.call("secret.get_all"));
    }

    @Test
    void secretsOfAForgottenRepositoryGoToo() throws IOException {
        String sr = create("device-config:password=open sesame");
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("SR.forget", daemon.ref("SR", sr));
        assertEquals(List.of(), daemon.call("secret.get_all"));
    }

    // ---- documents

    @Test
    void documentOfAFailedProbeIsTheThirdParameter() throws IOException {
        storage.probeFailure =
                ErrorCode.CONFIG_TARGET_IQN_MISSING.documented("there is a choice", DOCUMENT);
        String host = daemon.only("host");
        StorageException failure =
                assertThrows(
                        StorageException.class,
                        () ->
                                daemon.call(
                                        "SR.probe",
                                        host,
                                        Map.of("location", "a"),
                                        "fake",
                                        Map.of()));
        assertEquals("SR_BACKEND_FAILURE_96", failure.code().wireName());
        assertEquals(List.of("", "there is a choice", DOCUMENT), failure.params());
        TestDaemon.Result shown = daemon.xe("sr-probe", "type=fake", "device-config:location=a");
        assertEquals(1, shown.code());
        assertEquals(
                "there is a choice\nError code: SR_BACKEND_FAILURE_96\nError parameters: , there is"
                        + " a choice, "
                        + DOCUMENT,
                shown.err().substring(0, shown.err().length() - 1));
    }

    @Test
    void documentsHaveTheirTextsOnLinesOfTheirOwn() {
        assertEquals(
                """
                <?xml version="1.0" ?>
                <a>
                \t<b>
                \t\t<c>
                \t\t\tx &lt;&amp;&gt; y
                \t\t</c>
                \t</b>
                </a>
                """,
                new ProbeDocument("a").open("b").element("c", "x <&>\0y").text());
    }

    // ---- the name of the host

    @Test
    void hostsHaveNamesOfTheirOwnTowardsTargets() throws IOException {
        String host = daemon.only("host");
        String name = (String) daemon.call("host.get_iscsi_iqn", host);
        assertTrue(name.startsWith("iqn.2026-01.dev.varve:"), name);
        assertTrue(name.endsWith((String) daemon.record("host", host).get("uuid")), name);
        create();
        assertEquals(name, storage.lastContext.initiator());
    }

    @Test
    void nameIsSetInEitherPlaceAndKept() throws IOException {
        String host = daemon.only("host");
        daemon.call("host.set_iscsi_iqn", host, "iqn.2020-02.org.example:h1");
        create();
        assertEquals("iqn.2020-02.org.example:h1", storage.lastContext.initiator());
        daemon.xe(
                        "host-param-set",
                        "uuid=" + daemon.record("host", host).get("uuid"),
                        "other-config-iscsi_iqn=iqn.2020-02.org.example:h2")
                .ok();
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("PBD.plug", daemon.only("PBD"));
        assertEquals("iqn.2020-02.org.example:h2", storage.lastContext.initiator());
        daemon.close();
        daemon = new TestDaemon(home, storage);
        assertEquals("iqn.2020-02.org.example:h2", daemon.call("host.get_iscsi_iqn", host));
    }

    @Test
    void whatIsNoNameIsRefused() {
        String host = daemon.only("host");
        for (String name : List.of("", "host1", "iqn.2020-13.org.example:a", "iqn.x", "eui.12")) {
            StorageException failure =
                    assertThrows(
                            StorageException.class,
                            () -> daemon.call("host.set_iscsi_iqn", host, name));
            assertEquals(ErrorCode.INVALID_IQN, failure.code());
        }
    }

    // ---- paths, properties, handing back

    @Test
    void pathsAreShownToPeopleAndClients() throws IOException {
        storage.paths =
                List.of(
                        new PathHealth("3600a", "10.0.0.1:3260", true, 0, ""),
                        new PathHealth("3600a", "10.0.0.2:3260", false, 3, "no answer"));
        String sr = create();
        Map<?, ?> config = (Map<?, ?>) daemon.record("PBD", daemon.only("PBD")).get("other_config");
        assertEquals("true", config.get("multipathed"));
        assertEquals("[1, 2]", config.get("mpath-3600a"));
        String shown = daemon.xe("sr-paths", "uuid=" + sr).ok();
        assertTrue(shown.contains("10.0.0.2:3260"), shown);
        assertTrue(shown.contains("failed"), shown);
        assertTrue(shown.contains("no answer"), shown);
    }

    @Test
    void whatTheDriverSaysIsShownAndNotKept() throws IOException {
        storage.properties = Map.of("allocation", "thin");
        String sr = create("sm-config:mine=1");
        assertEquals(
                Map.of("allocation", "thin", "mine", "1"),
                daemon.record("SR", daemon.ref("SR", sr)).get("sm_config"));
        daemon.call("SR.set_name_label", daemon.ref("SR", sr), "two");
        assertEquals(Map.of("mine", "1"), storage.medium("a").identity.smConfig());
    }

    @Test
    void handingBackIsChecked() throws IOException {
        String sr = create();
        TestDaemon.Result other = daemon.xe("varve-handback-check", "uuid=" + sr);
        assertTrue(other.err().contains("SR_OPERATION_NOT_SUPPORTED"), other.err());
        storage.handback = List.of();
        assertTrue(daemon.xe("varve-handback-check", "uuid=" + sr).ok().contains("nothing"));
        storage.handback = List.of("the chain of disk x has 40 images; the reference opens 30");
        TestDaemon.Result hindered = daemon.xe("varve-handback-check", "uuid=" + sr);
        assertEquals(1, hindered.code());
        assertTrue(hindered.out().contains("40 images"), hindered.out());
    }
}
