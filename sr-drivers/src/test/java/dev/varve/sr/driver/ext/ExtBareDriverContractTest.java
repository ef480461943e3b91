// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.spi.SrDriver;

import org.junit.jupiter.api.Tag;

/** The same for file systems that lie on the device itself, as earlier releases made them. */
@Tag("real")
class ExtBareDriverContractTest extends ExtSrDriverContractTest {
    @Override
    public SrDriver driver() {
        return new ExtSrDriver(true, ExtSrDriver.Layout.BARE);
    }
}
