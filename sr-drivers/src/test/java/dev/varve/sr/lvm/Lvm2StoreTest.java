// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.lvm.meta.LvmTools;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;

/** {@code lvm2} judges a repository that was used here, and changes it in between. */
@Tag("real")
class Lvm2StoreTest {
    private static final String GROUP = VolumeNames.group(LvmTestGroup.REPOSITORY);
    private static final long EXTENT = LvmTestGroup.EXTENT_BYTES;

    @TempDir Path directory;

    @BeforeAll
    static void needs() {
        LvmTools.assumePossible();
    }

    private static VolumeId vhd(int number) {
        return new VolumeId(VolumeKind.VHD, new UUID(0, number));
    }

    private static VolumeChange create(int number) {
        return new VolumeChange.Create(
                vhd(number), 2 * EXTENT, Map.of("name-label", "disk " + number));
    }

    @Test
    void lvm2AcceptsWhatIsDoneHere() throws IOException {
        ExecutorService blocking = Threads.blockingPool("test");
        try (LoopDevice device = LoopDevice.make(directory.resolve("pv"), 512 << 20);
                FileMedium medium = FileMedium.open(device.node(), 512, true)) {
            LvmTools lvm = new LvmTools(directory.resolve("lvm"), device);
            LvmTestGroup.create(medium);
            LvmVolumeStore store = LvmTestGroup.attach(medium, blocking);
            store.commit(List.of(create(1), create(2), create(3)));
            try (StoreVolume volume = store.open(vhd(1), true)) {
                volume.grow(5 * EXTENT).toCompletableFuture().join();
                volume.shrink(4 * EXTENT);
            }
            store.commit(
                    List.of(
                            new VolumeChange.Rename(vhd(2), vhd(4)),
                            new VolumeChange.SetMarks(vhd(4), true, true),
                            create(2),
                            new VolumeChange.Delete(vhd(3))));
            String name = GROUP + "/" + VolumeNames.of(vhd(4));
            lvm.run("vgck", GROUP);
            assertEquals("hidden", lvm.run("lvs", "--noheadings", "-o", "lv_tags", name));
            assertTrue(lvm.run("lvs", "--noheadings", "-o", "lv_attr", name).startsWith("-ri"));
            lvm.run("lvs", "--segments", GROUP);

            lvm.run("lvextend", "-l", "+1", GROUP + "/" + VolumeNames.of(vhd(2)));
            lvm.run("lvrename", GROUP, VolumeNames.of(vhd(2)), VolumeNames.of(vhd(5)));
            lvm.run("lvremove", "-f", GROUP + "/" + VolumeNames.of(vhd(1)));
            // The next change finds what lvm2 has done.
            store.commit(List.of(create(6)));
            assertEquals(3 * EXTENT, store.find(vhd(5)).orElseThrow().sizeBytes());
            assertEquals("disk 2", store.find(vhd(5)).orElseThrow().attributes().get("name-label"));
            assertTrue(store.find(vhd(1)).isEmpty());
            lvm.run("vgck", GROUP);
            store.close();
        } finally {
            blocking.shutdown();
        }
    }
}
