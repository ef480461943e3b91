// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.host.Signature;
import dev.varve.sr.spi.SrDriver;
import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** On loop devices, which are named through links as disks are in {@code /dev/disk/by-id}. */
@Tag("real")
class ExtSrDriverContractTest implements SrDriverContract {
    private static final long SIZE_BYTES = 300L << 20;

    @TempDir Path parent;
    private LoopDevice first;
    private LoopDevice second;

    @BeforeEach
    void makeDevices() throws IOException {
        LoopDevice.assumePossible();
        first = LoopDevice.make(parent.resolve("first.img"), SIZE_BYTES);
        second = LoopDevice.make(parent.resolve("second.img"), SIZE_BYTES);
        Files.createSymbolicLink(link(first), first.node());
        Files.createSymbolicLink(link(second), second.node());
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

    private Path link(LoopDevice device) {
        return parent.resolve("by-id-" + device.image().getFileName());
    }

    @Override
    public SrDriver driver() {
        return new ExtSrDriver();
    }

    @Override
    public Map<String, String> config() {
        return Map.of("device", link(first).toString());
    }

    @Override
    public Map<String, String> otherConfig() {
        return Map.of("device", link(second).toString());
    }

    @Override
    public ErrorCode missingKeyError(String key) {
        return ErrorCode.CONFIG_DEVICE_MISSING;
    }

    /** What uses the file system goes on using it, but nobody finds it any more. */
    @Override
    public boolean takeAway() {
        try {
            for (Path point : first.mounts()) {
                LoopDevice.run("umount", "-l", point.toString());
            }
            Files.delete(link(first));
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void bringBack() {
        try {
            Files.createSymbolicLink(link(first), first.node());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public Object traces() {
        return List.of(Signature.of(HostDevice.of(first.node())).toString(), first.mounts());
    }
}
