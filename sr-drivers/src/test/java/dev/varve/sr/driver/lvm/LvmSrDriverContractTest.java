// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvm;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.lvm.MediumContent;
import dev.varve.sr.spi.SrDriver;
import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** On loop devices. */
@Tag("real")
class LvmSrDriverContractTest implements SrDriverContract {
    private static final long SIZE_BYTES = 300L << 20;

    @TempDir Path parent;
    private final LvmSrDriver driver = new LvmSrDriver();
    private LoopDevice first;
    private LoopDevice second;

    @BeforeEach
    void makeDevices() throws IOException {
        LoopDevice.assumePossible();
        first = LoopDevice.make(parent.resolve("first.img"), SIZE_BYTES);
        second = LoopDevice.make(parent.resolve("second.img"), SIZE_BYTES);
    }

    @AfterEach
    void removeDevices() throws IOException {
        try {
            if (first != null) {
                first.close();
            }
        } finally {
            if (second != null) {
                second.close();
            }
        }
    }

    @Override
    public SrDriver driver() {
        return driver;
    }

    @Override
    public Map<String, String> config() {
        return Map.of("device", first.node().toString());
    }

    @Override
    public Map<String, String> otherConfig() {
        return Map.of("device", second.node().toString());
    }

    @Override
    public ErrorCode missingKeyError(String key) {
        return ErrorCode.CONFIG_DEVICE_MISSING;
    }

    /** The kernel keeps a loop device as long as somebody has it open. */
    @Override
    public boolean takeAway() {
        return false;
    }

    @Override
    public void bringBack() {}

    @Override
    public Object traces() {
        try (FileMedium medium =
                FileMedium.open(first.node(), HostDevice.of(first.node()).blockBytes(), false)) {
            return MediumContent.of(medium);
        }
    }
}
