// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class ModulePathTest {
    @Test
    void testsRunInTheirModule() {
        assertEquals("dev.varve.vdi", getClass().getModule().getName());
    }
}
