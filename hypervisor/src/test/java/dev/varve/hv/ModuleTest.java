// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.hv.daemon.VarveDaemon;

import org.junit.jupiter.api.Test;

final class ModuleTest {
    /** On the class path the module's borders would not be checked, and nobody would notice. */
    @Test
    void runsAsANamedModule() {
        assertEquals("dev.varve.hv", VarveDaemon.class.getModule().getName());
    }
}
