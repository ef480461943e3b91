// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmoiscsi;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;

/** What the keys of a device configuration mean. */
class LvmOverIscsiConfigTest {
    private static final String IQN = "iqn.2026-01.org.example:t1";

    private static SrContext context(String initiator) {
        SrContext plain = SrDriverContract.context(SrDriverContract.HOST);
        return new SrContext(
                plain.host(),
                plain.home(),
                plain.clock(),
                plain.random(),
                plain.blocking(),
                plain.operation(),
                initiator,
                SrContext.NO_POOL);
    }

    private static LvmOverIscsiConfig of(String... pairs) {
        Map<String, String> values = new TreeMap<>(Map.of("target", "192.0.2.1"));
        for (int i = 0; i < pairs.length; i += 2) {
            values.put(pairs[i], pairs[i + 1]);
        }
        return LvmOverIscsiConfig.of(
                new DeviceConfig(values), context("iqn.2026-01.org.example:host"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "192.0.2.1; ; 192.0.2.1:3260",
                "192.0.2.1; 3261; 192.0.2.1:3261",
                "192.0.2.1:3260; 3261; 192.0.2.1:3260",
                "2001:db8::3260; 3261; [2001:db8::3260]:3261",
                "[2001:db8::1]:3262; 3261; [2001:db8::1]:3262",
                "a, b:99 ; ; a:3260 b:99",
                "a,a; ; a:3260"
            })
    void portalsAreRead(String target, String port, String expected) {
        LvmOverIscsiConfig config =
                port == null ? of("target", target) : of("target", target, "port", port);
        assertEquals(
                expected,
                String.join(" ", config.portals().stream().map(Portal::toString).toList()));
    }

    @Test
    void everyTargetOrOneIsChosen() {
        assertEquals(Optional.empty(), of().target());
        assertEquals(Optional.empty(), of("targetIQN", "*").target());
        assertEquals(
                IQN, of("targetIQN", IQN.toUpperCase(Locale.ROOT)).target().orElseThrow().value());
        assertFails(ErrorCode.INVALID_IQN, () -> of("targetIQN", "t1"));
    }

    @Test
    void oneLunIsChosen() {
        assertEquals(OptionalInt.of(7), of("LUNid", "7").lun());
        assertEquals(Optional.of("3600"), of("SCSIid", "3600").scsiId());
        assertFails(ErrorCode.LVM_ONE_LUN, () -> of("LUNid", "1,2"));
        assertFails(ErrorCode.SR_INVALID_ARGUMENT, () -> of("LUNid", "x"));
    }

    @Test
    void passwordsComeInPairs() {
        assertTrue(of().chap().own().isEmpty());
        LvmOverIscsiConfig both =
                of(
                        "chapuser",
                        "u",
                        "chappassword",
                        "p",
                        "incoming_chapuser",
                        "v",
                        "incoming_chappassword",
                        "q");
        assertEquals("p", both.chap().own().orElseThrow().secret());
        assertEquals("q", both.chap().target().orElseThrow().secret());
        assertFalse(both.toString().contains("secret=p"), both.toString());
        assertFails(ErrorCode.SR_INVALID_ARGUMENT, () -> of("chapuser", "u"));
        assertFails(ErrorCode.SR_INVALID_ARGUMENT, () -> of("chappassword", "p"));
        assertFails(
                ErrorCode.SR_INVALID_ARGUMENT,
                () -> of("incoming_chapuser", "u", "incoming_chappassword", "p"));
    }

    @Test
    void moreSessionsAreMorePathsToTheSameTarget() {
        LvmOverIscsiConfig config =
                of("targetIQN", IQN, "multiSession", "192.0.2.2,3261," + IQN + "|");
        assertEquals(
                List.of(new Portal("192.0.2.1", 3260), new Portal("192.0.2.2", 3261)),
                config.portals());
        assertFails(
                ErrorCode.SR_INVALID_ARGUMENT,
                () -> of("targetIQN", IQN, "multiSession", "192.0.2.2,3261,iqn.x|"));
        assertFails(ErrorCode.SR_INVALID_ARGUMENT, () -> of("multiSession", "192.0.2.2|"));
    }

    @Test
    void hostNeedsAName() {
        DeviceConfig target = new DeviceConfig(Map.of("target", "a"));
        assertFails(
                ErrorCode.CONFIG_LOCAL_IQN_MISSING,
                () -> LvmOverIscsiConfig.of(target, context("")));
        assertEquals(
                "iqn.2026-01.org.example:mine",
                of("localIQN", "iqn.2026-01.org.example:mine").initiator().value());
    }

    @ParameterizedTest
    @CsvSource({
        "target, , CONFIG_TARGET_MISSING",
        "port, 0, ISCSI_PORT",
        "port, 70000, ISCSI_PORT",
        "multihomed, yes, SR_INVALID_ARGUMENT",
        "frobnicate, 1, SR_INVALID_ARGUMENT"
    })
    void nonsenseIsRefusedByItsNumber(String key, String value, ErrorCode code) {
        assertFails(code, () -> of(key, value == null ? "" : value));
    }
}
