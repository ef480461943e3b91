// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.contract.DirectContext;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.function.Function;

/** Two daemons and one group, which one of them owns. */
class OwnedGroupTest {
    private static final VolumeId A = new VolumeId(VolumeKind.VHD, new UUID(0, 1));
    private static final VolumeId INCOMING = new VolumeId(VolumeKind.INCOMING, new UUID(0, 2));
    private static final long EXTENT = LvmTestGroup.EXTENT_BYTES;

    @TempDir Path directory;

    private final Host first = new Host();
    private final Host second = new Host();
    private Host owner = first;
    private BlockMedium medium;
    private long discarded;

    /** One side of a line between two daemons. */
    private final class Host implements GroupOwner {
        private final UUID uuid = UUID.randomUUID();
        private Function<byte[], byte[]> service;
        private long since;
        private LvmVolumeStore store;
        private Executor blocking = Runnable::run;

        void attach() {
            store =
                    new LvmVolumeStore(
                            new LvmAccess(
                                    medium,
                                    GroupMetadata.open(medium),
                                    this,
                                    LvmStoreSettings.DEFAULT,
                                    task -> blocking.execute(task),
                                    uuid));
            store.recover();
        }

        @Override
        public boolean isOwner() {
            return owner == this;
        }

        @Override
        public long since() {
            return since;
        }

        @Override
        public void asOwner(Runnable work) {
            if (!isOwner()) {
                throw ErrorCode.LVM_MASTER.because("another daemon is the owner");
            }
            work.run();
        }

        @Override
        public byte[] ask(byte[] request) {
            return owner.service.apply(request);
        }

        @Override
        public void serve(Function<byte[], byte[]> answer) {
            service = answer;
        }
    }

    @BeforeEach
    void attach() {
        medium =
                new ForwardingMedium(
                        LvmTestGroup.medium(LvmTestGroup.file(directory, 1L << 30), 512)) {
                    @Override
                    public void discard(long offset, long length) {
                        discarded += length;
                        next.discard(offset, length);
                    }
                };
        LvmTestGroup.create(medium);
        first.attach();
        second.attach();
    }

    @AfterEach
    void detach() {
        first.store.close();
        second.store.close();
        medium.close();
    }

    private static VolumeChange create(VolumeId id, String label) {
        return new VolumeChange.Create(id, EXTENT, Map.of("label", label));
    }

    private static String label(LvmVolumeStore store) {
        return store.find(A).orElseThrow().attributes().get("label");
    }

    @Test
    void changesOfEitherAreSeenByBoth() {
        assertTrue(first.store.features().contains(StoreFeature.SHARED));
        second.store.commit(List.of(create(A, "by the second")));
        assertEquals("by the second", label(first.store));
        first.store.commit(
                List.of(new VolumeChange.SetAttributes(A, Map.of("label", "by the first"))));
        assertEquals("by the first", label(second.store));
        second.store.commit(
                List.of(
                        new VolumeChange.SetAttributes(A, Map.of("label", "again")),
                        new VolumeChange.SetMarks(A, true, true)));
        assertEquals("again", label(first.store));
        assertTrue(first.store.find(A).orElseThrow().hidden());
        second.store.setIdentity(
                new SrIdentity(LvmTestGroup.REPOSITORY, "name", "words", Map.of("a", "b")));
        assertEquals("name", first.store.identity().label());
        assertEquals(Map.of("a", "b"), second.store.identity().smConfig());
    }

    @Test
    void volumesGrowAndShrinkWhereverTheyAreOpen() {
        second.store.commit(List.of(create(A, "a")));
        try (StoreVolume volume = second.store.open(A, true)) {
            long size = volume.grow(3 * EXTENT).toCompletableFuture().join();
            assertTrue(size >= 3 * EXTENT);
            assertEquals(size, volume.device().geometry().sizeBytes());
            assertEquals(size, first.store.find(A).orElseThrow().sizeBytes());
            volume.shrink(2 * EXTENT);
            assertEquals(2 * EXTENT, volume.device().geometry().sizeBytes());
            assertTrue(volume.grow(1L << 60).toCompletableFuture().isCompletedExceptionally());
        }
    }

    @Test
    void failuresComeBackAsTheyAre() {
        second.store.commit(List.of(create(A, "a")));
        Errors.assertFails(
                ErrorCode.VDI_EXISTS, () -> second.store.commit(List.of(create(A, "b"))));
        try (StoreVolume volume = second.store.open(A, false)) {
            assertEquals(A, volume.id());
            Errors.assertFails(
                    ErrorCode.SR_VDI_IN_USE,
                    () -> second.store.commit(List.of(new VolumeChange.Delete(A))));
        }
    }

    @Test
    void anotherBecomesTheOwner() {
        first.store.commit(List.of(create(A, "a")));
        for (int i = 0; i < 10; i++) {
            owner = i % 2 == 0 ? second : first;
            String label = "label " + i;
            Host writer = i % 3 == 0 ? first : second;
            writer.store.commit(List.of(new VolumeChange.SetAttributes(A, Map.of("label", label))));
            assertEquals(label, label(first.store));
            assertEquals(label, label(second.store));
        }
    }

    @Test
    void whoIsTheOwnerAgainSeesWhatAnotherOneChanged() {
        first.store.commit(List.of(create(A, "a")));
        owner = second;
        second.store.commit(List.of(new VolumeChange.SetAttributes(A, Map.of("label", "b"))));
        owner = first;
        first.since++;
        assertEquals("b", label(first.store));
    }

    @Test
    void aHostRemovesOnlyWhatItWasMakingItself() {
        second.store.commit(List.of(create(INCOMING, "half")));
        first.store.recover();
        assertTrue(first.store.find(INCOMING).isPresent());
        second.store.recover();
        assertTrue(first.store.find(INCOMING).isEmpty());
    }

    /**
     * Gives a disk of the second the extents that one of the first had, which are not discarded.
     */
    private VolumeId handOn(List<Runnable> later) {
        VolumeId b = new VolumeId(VolumeKind.VHD, new UUID(0, 3));
        first.store.commit(List.of(create(A, "a")));
        first.blocking = later::add;
        first.store.commit(List.of(new VolumeChange.Delete(A)));
        owner = second;
        second.store.commit(List.of(create(b, "b")));
        try (StoreVolume volume = second.store.open(b, true);
                DirectContext lane = new DirectContext()) {
            lane.write(volume.device(), 0, 1 << 20, 7);
        }
        return b;
    }

    private void assertWhole(VolumeId id) {
        try (StoreVolume volume = second.store.open(id, false);
                DirectContext lane = new DirectContext()) {
            for (byte b : lane.read(volume.device(), 0, 1 << 20)) {
                assertEquals(7, b);
            }
        }
    }

    @Test
    void whatAnotherOwnerMayHaveGivenOutIsNotDiscarded() {
        List<Runnable> later = new ArrayList<>();
        VolumeId handedOn = handOn(later);
        assertEquals(1, later.size());
        later.removeFirst().run();
        assertWhole(handedOn);
    }

    @Test
    void whatAnotherOwnerHasGivenOutIsNotDiscardedByWhoIsTheOwnerAgain() {
        List<Runnable> later = new ArrayList<>();
        VolumeId handedOn = handOn(later);
        owner = first;
        later.removeFirst().run();
        assertWhole(handedOn);
    }

    @Test
    void whatNobodyHasUsedIsDiscardedLater() {
        List<Runnable> later = new ArrayList<>();
        first.store.commit(List.of(create(A, "a")));
        first.blocking = later::add;
        first.store.commit(List.of(new VolumeChange.Delete(A)));
        long before = discarded;
        later.removeFirst().run();
        assertEquals(before + EXTENT, discarded);
    }
}
