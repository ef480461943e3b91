// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.CrashMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LvmTools;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;

/** A group that says which pool uses it. */
class PoolTagTest {
    /** What was on the disk before. */
    private static final byte OTHERS = (byte) 0xaa;

    private static final UUID POOL = UUID.fromString("aaaaaaaa-0000-4000-8000-000000000001");
    private static final UUID OTHER = UUID.fromString("bbbbbbbb-0000-4000-8000-000000000002");
    private static final SrIdentity IDENTITY =
            new SrIdentity(LvmTestGroup.REPOSITORY, "label", "", Map.of());

    @TempDir Path directory;
    private BlockMedium medium;

    /** A device that other hosts reach, or not; closing it leaves the medium open. */
    private record Device(BlockMedium medium, boolean isShared) implements GroupDevice {
        @Override
        public String place() {
            return medium.name();
        }

        @Override
        public void close() {
            // The test looks at the medium afterwards.
        }
    }

    /** What a daemon has that does not maintain the group. */
    private static final class ForeignOwner implements GroupOwner {
        @Override
        public boolean isOwner() {
            return false;
        }

        @Override
        public void asOwner(Runnable work) {
            throw ErrorCode.LVM_MASTER.because("another daemon maintains it");
        }

        @Override
        public byte[] ask(byte[] request) {
            throw new AssertionError("nothing is asked of the owner");
        }

        @Override
        public void serve(Function<byte[], byte[]> answer) {
            throw new AssertionError("nothing is answered");
        }
    }

    @BeforeEach
    void makeMedium() {
        medium = new CrashMedium("disk", 128L << 20, 512, OTHERS);
    }

    private SrContext context(UUID pool) {
        return new SrContext(
                LvmTestGroup.HOST,
                directory,
                Clock.system(),
                RandomSource.secure(),
                Runnable::run,
                Operation.unbounded("test", Clock.system()),
                "",
                pool);
    }

    private void make(boolean shared, UUID pool) {
        NewRepository.make(
                new Device(medium, shared),
                IDENTITY,
                GroupOptions.of(new DeviceConfig(Map.of())),
                context(pool));
    }

    private void attach(boolean shared, UUID pool) {
        LvmSr.attach(new Device(medium, shared), IDENTITY, context(pool)).close();
    }

    private List<String> tags() {
        return GroupMetadata.open(medium).group().tags();
    }

    private void change(Consumer<GroupEdit> work) {
        GroupMetadata metadata = GroupMetadata.open(medium);
        GroupEdit edit = metadata.edit();
        work.accept(edit);
        metadata.commit(edit.done());
    }

    private byte[] content() {
        return medium.read(0, (int) medium.sizeBytes());
    }

    private StorageException refused(Runnable call) {
        byte[] before = content();
        StorageException failure = assertThrows(StorageException.class, call::run);
        assertEquals(ErrorCode.LVM_MASTER, failure.code());
        assertArrayEquals(before, content(), "something was written");
        return failure;
    }

    @Test
    void aNewSharedRepositoryNamesThePool() {
        make(true, POOL);
        assertEquals(List.of("varve-pool-" + POOL), tags());
        attach(true, POOL);
        assertEquals(List.of("varve-pool-" + POOL), tags());
    }

    @Test
    void aDeviceOfOneHostNamesNone() {
        make(false, POOL);
        attach(false, OTHER);
        assertEquals(List.of(), tags());
    }

    /** Without an area of claims only the tag tells. */
    @Test
    void anotherPoolIsRefusedBeforeAnythingIsWritten() {
        LvmTestGroup.create(medium);
        change(edit -> edit.addGroupTag(PoolTag.of(POOL)));
        String said = refused(() -> attach(true, OTHER)).sentence();
        assertTrue(said.contains(POOL.toString()) && said.contains(OTHER.toString()), said);
        refused(
                () ->
                        GroupRemoval.remove(
                                new Device(medium, true), LvmTestGroup.REPOSITORY, context(OTHER)));
        attach(true, POOL);
    }

    /** As a person does who takes a repository over, in the words of the refusal. */
    @Test
    void whatTheRefusalSaysTakesTheRepositoryOver() {
        make(true, POOL);
        refused(() -> attach(true, OTHER));
        change(
                edit -> {
                    edit.remove(GroupClaims.VOLUME);
                    edit.removeGroupTag(PoolTag.of(POOL));
                });
        attach(true, OTHER);
        assertEquals(List.of(PoolTag.of(OTHER)), tags());
        refused(() -> attach(true, POOL));
    }

    @Test
    void aMissingTagIsAddedAtAttach() {
        make(true, POOL);
        change(
                edit -> {
                    edit.removeGroupTag(PoolTag.of(POOL));
                    edit.addGroupTag("of-a-person");
                });
        attach(true, POOL);
        assertEquals(List.of("of-a-person", PoolTag.of(POOL)), tags());
    }

    /** The one that maintains the group is asked for nothing, and keeps nobody out. */
    @Test
    void aMissingTagIsLeftToTheOwner() {
        make(true, POOL);
        change(edit -> edit.removeGroupTag(PoolTag.of(POOL)));
        Device device = new Device(medium, true);
        LvmSr owner = LvmSr.attach(device, IDENTITY, context(POOL));
        assertEquals(List.of(PoolTag.of(POOL)), tags());
        change(edit -> edit.removeGroupTag(PoolTag.of(POOL)));
        PoolTag.ensure(device, GroupMetadata.open(medium), new ForeignOwner(), POOL);
        assertEquals(List.of(), tags());
        owner.close();
    }

    @Tag("real")
    @Test
    void lvm2ShowsAndKeepsTheTag() throws IOException {
        LvmTools.assumePossible();
        try (LoopDevice loop = LoopDevice.make(directory.resolve("pv"), 256 << 20);
                FileMedium device = FileMedium.open(loop.node(), 512, true)) {
            LvmTools lvm = new LvmTools(directory.resolve("lvm"), loop);
            medium = device;
            make(true, POOL);
            String group = VolumeNames.group(LvmTestGroup.REPOSITORY);
            lvm.run("vgck", group);
            lvm.run("lvcreate", "-an", "-Zn", "-l", "1", "-n", "another", group);
            assertEquals(PoolTag.of(POOL), lvm.run("vgs", "--noheadings", "-o", "vg_tags", group));
            assertEquals(List.of(PoolTag.of(POOL)), tags());
        }
    }
}
