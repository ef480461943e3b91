// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.spi.SrDriver;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;

/** Every driver is registered for both ways of starting the daemon, and has its contract test. */
class DriverContractPresenceTest {
    private static Set<String> provided() {
        Set<String> names = new TreeSet<>();
        SrDriver.class.getModule().getDescriptor().provides().stream()
                .filter(provides -> provides.service().equals(SrDriver.class.getName()))
                .forEach(provides -> names.addAll(provides.providers()));
        return names;
    }

    private static Set<String> listed() throws IOException {
        String file = "META-INF/services/" + SrDriver.class.getName();
        try (InputStream in = SrDriver.class.getModule().getResourceAsStream(file)) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return new TreeSet<>(
                    text.lines().map(String::strip).filter(l -> !l.isEmpty()).toList());
        }
    }

    @Test
    void testsRunInTheirModule() {
        assertTrue(getClass().getModule().isNamed());
    }

    @Test
    void moduleAndServiceFileNameTheSameDrivers() throws IOException {
        assertFalse(provided().isEmpty());
        assertEquals(provided(), listed());
    }

    @Test
    void everyDriverHasItsContractTest() {
        Set<String> types = new HashSet<>();
        for (ServiceLoader.Provider<SrDriver> found :
                ServiceLoader.load(SrDriver.class).stream().toList()) {
            String test = found.type().getName() + "ContractTest";
            assertTrue(
                    isContractTest(test),
                    () -> found.type().getName() + " has no " + test + " that is a contract test");
            assertTrue(types.add(found.get().type()), "one driver for each type");
        }
        assertEquals(provided().size(), types.size());
    }

    private static boolean isContractTest(String name) {
        try {
            return SrDriverContract.class.isAssignableFrom(Class.forName(name));
        } catch (ClassNotFoundException e) {
            return false;
        }
    }
}
