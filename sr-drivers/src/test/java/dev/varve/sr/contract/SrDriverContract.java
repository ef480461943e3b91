// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** What every driver does. What it does not declare as a capability is not tested here. */
public interface SrDriverContract {
    /** The host that the tests are. */
    UUID HOST = UUID.fromString("00000000-0000-4000-8000-00000000000a");

    /** The driver under test. */
    SrDriver driver();

    /**
     * A configuration that names a place where a repository can be made; the same one every time.
     */
    Map<String, String> config();

    /** Another such configuration. */
    Map<String, String> otherConfig();

    /** What a missing required key is answered with. */
    ErrorCode missingKeyError(String key);

    /** Makes the medium unreachable; false when the test cannot do that. */
    boolean takeAway();

    /** Undoes {@link #takeAway()}. */
    void bringBack();

    /** What there is at the place of {@link #config()}, in a form that can be compared. */
    Object traces();

    /** What a driver is given. */
    static SrContext context(UUID host) {
        Clock clock = Clock.system();
        return new SrContext(
                host,
                Path.of(System.getProperty("java.io.tmpdir")),
                clock,
                RandomSource.secure(),
                Runnable::run,
                Operation.unbounded("test", clock));
    }

    private static SrIdentity identity(String label) {
        return new SrIdentity(UUID.randomUUID(), label, "a description", Map.of("key", "value"));
    }

    private DeviceConfig place() {
        return new DeviceConfig(config());
    }

    private SrIdentity create() {
        SrIdentity identity = identity("label");
        driver().create(identity, place(), context(HOST));
        return identity;
    }

    private AttachedSr attach(SrIdentity identity) {
        return driver().attach(identity, place(), context(HOST));
    }

    private static VolumeId addDisk(AttachedSr sr) {
        VolumeId id = new VolumeId(VolumeKind.VHD, UUID.randomUUID());
        sr.volumes().commit(List.of(new VolumeChange.Create(id, 1 << 20, Map.of("label", "disk"))));
        return id;
    }

    private void assumeProbe() {
        Assumptions.assumeTrue(
                driver().capabilities().contains(SrCapability.SR_PROBE), "no SR_PROBE");
    }

    @Test
    default void driverDescribesItself() {
        assertTrue(driver().type().matches("[a-z]+"), driver().type());
        assertFalse(driver().name().isBlank());
        assertFalse(driver().description().isBlank());
        assertFalse(driver().capabilities().isEmpty());
        assertTrue(driver().configuration().stream().anyMatch(ConfigKey::required));
    }

    @Test
    default void unknownKeyIsRefusedByName() {
        Map<String, String> values = new TreeMap<>(config());
        values.put("locatoin", "x");
        DeviceConfig config = new DeviceConfig(values);
        SrIdentity identity = identity("a");
        Object before = traces();
        for (StorageException failure :
                List.of(
                        assertFails(
                                ErrorCode.SR_INVALID_ARGUMENT,
                                () -> driver().create(identity, config, context(HOST))),
                        assertFails(
                                ErrorCode.SR_INVALID_ARGUMENT,
                                () -> driver().attach(identity, config, context(HOST)).close()),
                        assertFails(
                                ErrorCode.SR_INVALID_ARGUMENT,
                                () -> driver().destroy(identity, config, context(HOST))),
                        assertFails(
                                ErrorCode.SR_INVALID_ARGUMENT,
                                () -> driver().probe(config, context(HOST))))) {
            assertTrue(failure.sentence().contains("locatoin"), failure.sentence());
        }
        assertEquals(before, traces());
    }

    @Test
    default void missingKeyIsNamed() {
        for (ConfigKey key : driver().configuration()) {
            if (key.required()) {
                Map<String, String> values = new TreeMap<>(config());
                values.remove(key.name());
                assertMissing(key.name(), new DeviceConfig(values));
                values.put(key.name(), "");
                assertMissing(key.name(), new DeviceConfig(values));
            }
        }
    }

    private void assertMissing(String key, DeviceConfig config) {
        StorageException failure =
                assertFails(
                        missingKeyError(key),
                        () -> driver().create(identity("a"), config, context(HOST)));
        assertTrue(failure.sentence().contains(key), failure.sentence());
    }

    @Test
    default void probeFindsWhatWasMade() {
        assumeProbe();
        SrIdentity identity = create();
        List<ProbeResult.Found> found = driver().probe(place(), context(HOST)).repositories();
        assertEquals(1, found.size());
        assertEquals(identity, found.getFirst().identity());
        driver().attach(identity, new DeviceConfig(found.getFirst().configuration()), context(HOST))
                .close();
    }

    @Test
    default void newRepositoryIsEmptyAndInOrder() {
        SrIdentity identity = create();
        try (AttachedSr sr = attach(identity)) {
            assertEquals(identity, sr.identity());
            assertEquals(List.of(), sr.volumes().list());
            sr.check();
        }
    }

    @Test
    default void repositoryIsNotMadeOverAnother() {
        SrIdentity identity = create();
        Object before = traces();
        assertFails(ErrorCode.SR_EXISTS, this::create);
        assertEquals(before, traces());
        attach(identity).close();
    }

    @Test
    default void repositoryWithDisksIsNotMadeOverOrDestroyed() {
        SrIdentity identity = create();
        VolumeId disk;
        try (AttachedSr sr = attach(identity)) {
            disk = addDisk(sr);
        }
        assertFails(ErrorCode.SR_EXISTS, this::create);
        assertFails(
                ErrorCode.SR_NOT_EMPTY_BACKEND,
                () -> driver().destroy(identity, place(), context(HOST)));
        try (AttachedSr sr = attach(identity)) {
            assertTrue(sr.volumes().find(disk).isPresent());
            sr.volumes().commit(List.of(new VolumeChange.Delete(disk)));
        }
        driver().destroy(identity, place(), context(HOST));
    }

    @Test
    default void destroyLeavesNoTrace() {
        Object before = traces();
        SrIdentity identity = create();
        try (AttachedSr sr = attach(identity)) {
            sr.claims().release(sr.claims().acquire(UUID.randomUUID(), Claims.Mode.WRITE));
            VolumeId disk = addDisk(sr);
            sr.volumes().commit(List.of(new VolumeChange.Delete(disk)));
        }
        driver().destroy(identity, place(), context(HOST));
        assertEquals(before, traces());
        create();
    }

    @Test
    default void attachedRepositoryIsNotDestroyed() {
        SrIdentity identity = create();
        try (AttachedSr sr = attach(identity)) {
            assertFails(
                    ErrorCode.SR_IN_USE, () -> driver().destroy(identity, place(), context(HOST)));
            sr.check();
            addDisk(sr);
        }
    }

    @Test
    default void attachOfAnotherRepositoryNamesBoth() {
        SrIdentity identity = create();
        SrIdentity wrong = identity("wrong");
        StorageException failure =
                assertFails(ErrorCode.SR_UNAVAILABLE, () -> attach(wrong).close());
        assertTrue(failure.sentence().contains(identity.uuid().toString()), failure.sentence());
        assertTrue(failure.sentence().contains(wrong.uuid().toString()), failure.sentence());
        assertFails(
                ErrorCode.SR_UNAVAILABLE, () -> driver().destroy(wrong, place(), context(HOST)));
    }

    @Test
    default void attachWhereNothingIsFails() {
        assertFails(ErrorCode.SR_UNAVAILABLE, () -> attach(identity("none")).close());
    }

    /** Forgetting is detaching; what another host introduces by UUID alone is all there. */
    @Test
    default void forgottenRepositoryIsIntroducedElsewhere() {
        SrIdentity identity = create();
        Set<VolumeInfo> before;
        try (AttachedSr sr = attach(identity)) {
            addDisk(sr);
            addDisk(sr);
            before = new HashSet<>(sr.volumes().list());
        }
        SrIdentity onlyUuid = new SrIdentity(identity.uuid(), "", "", Map.of());
        try (AttachedSr sr = driver().attach(onlyUuid, place(), context(UUID.randomUUID()))) {
            assertEquals(identity, sr.identity());
            assertEquals(before, new HashSet<>(sr.volumes().list()));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "grüße 日本語 🗄", "line\nbreak\u0000\u001f", "\"quoted\\", "../.."})
    default void anyNameIsKept(String name) {
        SrIdentity identity = create();
        SrIdentity renamed =
                new SrIdentity(identity.uuid(), name, name + name, Map.of("k" + name, name));
        try (AttachedSr sr = attach(identity)) {
            sr.update(renamed);
            assertEquals(renamed, sr.identity());
        }
        try (AttachedSr sr = attach(identity)) {
            assertEquals(renamed, sr.identity());
        }
    }

    @Test
    default void veryLongNameIsKept() {
        SrIdentity identity = identity("ö".repeat(50_000));
        driver().create(identity, place(), context(HOST));
        try (AttachedSr sr = attach(identity)) {
            assertEquals(identity, sr.identity());
        }
    }

    @Test
    default void repositoryKeepsItsUuid() {
        try (AttachedSr sr = attach(create())) {
            assertThrows(IllegalArgumentException.class, () -> sr.update(identity("other")));
        }
    }

    @Test
    default void mediumThatIsAwayIsNoticedAndHeals() {
        SrIdentity identity = create();
        try (AttachedSr sr = attach(identity)) {
            VolumeId disk = addDisk(sr);
            Assumptions.assumeTrue(takeAway(), "the medium cannot be taken away");
            try {
                assertFails(ErrorCode.SR_UNAVAILABLE, sr::check);
                assertFails(ErrorCode.SR_UNAVAILABLE, () -> sr.volumes().list());
                assertFails(ErrorCode.SR_UNAVAILABLE, () -> sr.update(identity));
                assertFails(ErrorCode.SR_UNAVAILABLE, () -> attach(identity).close());
                assertFails(ErrorCode.SR_UNAVAILABLE, () -> driver().probe(place(), context(HOST)));
            } finally {
                bringBack();
            }
            sr.check();
            assertTrue(sr.volumes().find(disk).isPresent());
            addDisk(sr);
        }
    }

    @Test
    default void repositoriesDoNotShareVolumes() {
        SrIdentity first = create();
        SrIdentity second = identity("second");
        DeviceConfig elsewhere = new DeviceConfig(otherConfig());
        driver().create(second, elsewhere, context(HOST));
        try (AttachedSr one = attach(first);
                AttachedSr two = driver().attach(second, elsewhere, context(HOST))) {
            addDisk(one);
            assertEquals(List.of(), two.volumes().list());
            assertNotEquals(one.identity(), two.identity());
        }
        driver().destroy(second, elsewhere, context(HOST));
    }

    @Test
    default void claimForWritingExcludesOtherHosts() {
        UUID other = UUID.randomUUID();
        UUID disk = UUID.randomUUID();
        SrIdentity identity = create();
        try (AttachedSr sr = attach(identity);
                AttachedSr there = driver().attach(identity, place(), context(other))) {
            Claims.Claim mine = sr.claims().acquire(disk, Claims.Mode.WRITE);
            for (Claims.Mode mode : Claims.Mode.values()) {
                StorageException failure =
                        assertFails(
                                ErrorCode.SR_VDI_IN_USE, () -> there.claims().acquire(disk, mode));
                assertTrue(failure.sentence().contains(HOST.toString()), failure.sentence());
            }
            assertEquals(List.of(mine), there.claims().holders(disk));
            there.claims().acquire(UUID.randomUUID(), Claims.Mode.WRITE);
            sr.claims().release(mine);
            sr.claims().release(mine);
            Claims.Claim theirs = there.claims().acquire(disk, Claims.Mode.WRITE);
            assertTrue(theirs.epoch() > mine.epoch());
            sr.claims().release(mine);
            assertEquals(List.of(theirs), sr.claims().holders(disk));
        }
    }

    @Test
    default void claimsForReadingShareADisk() {
        UUID other = UUID.randomUUID();
        UUID disk = UUID.randomUUID();
        SrIdentity identity = create();
        try (AttachedSr sr = attach(identity);
                AttachedSr there = driver().attach(identity, place(), context(other))) {
            Claims.Claim mine = sr.claims().acquire(disk, Claims.Mode.READ);
            Claims.Claim theirs = there.claims().acquire(disk, Claims.Mode.READ);
            assertEquals(Set.of(mine, theirs), Set.copyOf(sr.claims().holders(disk)));
            assertFails(
                    ErrorCode.SR_VDI_IN_USE, () -> sr.claims().acquire(disk, Claims.Mode.WRITE));
            there.claims().release(theirs);
            assertEquals(Claims.Mode.WRITE, sr.claims().acquire(disk, Claims.Mode.WRITE).mode());
        }
    }

    @Test
    default void ownClaimIsTakenOverAfterARestart() {
        UUID disk = UUID.randomUUID();
        SrIdentity identity = create();
        Claims.Claim lost;
        try (AttachedSr sr = attach(identity)) {
            lost = sr.claims().acquire(disk, Claims.Mode.WRITE);
        }
        try (AttachedSr sr = attach(identity)) {
            assertEquals(List.of(lost), sr.claims().holders(disk));
            Claims.Claim again = sr.claims().acquire(disk, Claims.Mode.WRITE);
            assertTrue(again.epoch() > lost.epoch());
            sr.claims().release(lost);
            assertEquals(List.of(again), sr.claims().holders(disk));
        }
    }
}
