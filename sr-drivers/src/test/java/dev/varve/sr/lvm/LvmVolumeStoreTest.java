// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.contract.VolumeStoreContract;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.concurrent.ExecutorService;

/** The contract, on blocks of 512 bytes. */
class LvmVolumeStoreTest implements VolumeStoreContract {
    private static final long MEDIUM_BYTES = 16L << 30;

    @TempDir Path directory;

    private final ExecutorService blocking = Threads.blockingPool("test");
    private BlockMedium medium;
    private LvmVolumeStore store;

    int blockBytes() {
        return 512;
    }

    @BeforeEach
    void attach() {
        medium = LvmTestGroup.medium(LvmTestGroup.file(directory, MEDIUM_BYTES), blockBytes());
        LvmTestGroup.create(medium);
        store = LvmTestGroup.attach(medium, blocking);
    }

    @AfterEach
    void detach() {
        store.close();
        medium.close();
        blocking.shutdown();
    }

    @Override
    public VolumeStore store() {
        return store;
    }

    @Override
    public VolumeStore reopen() {
        store.close();
        store = LvmTestGroup.attach(medium, blocking);
        return store;
    }

    @Override
    public long unitBytes() {
        return LvmTestGroup.EXTENT_BYTES;
    }
}
