// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.contract.DirectContext;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.lvm.meta.ExtentRun;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** A repository on a device that hosts share, whose host could not say that it lives. */
class FencedGroupTest {
    private static final VolumeId DISK = new VolumeId(VolumeKind.VHD, new UUID(0, 1));
    private static final VolumeId OTHER = new VolumeId(VolumeKind.VHD, new UUID(0, 2));
    private static final long EXTENT = LvmTestGroup.EXTENT_BYTES;
    private static final long TOO_LONG = TimeUnit.SECONDS.toNanos(21);

    /** The device, which counts what changes it, and which the host can stand still in. */
    private static final class Watched extends ForwardingMedium {
        private Runnable beforeZero = () -> {};
        private long changes;
        private boolean gone;
        private boolean closed;
        private final List<Long> written = new ArrayList<>();

        Watched(BlockMedium next) {
            super(next);
        }

        private void need() {
            if (gone) {
                throw ErrorCode.SR_IO_ERROR.because("the device was unplugged");
            }
        }

        @Override
        public byte[] read(long offset, int length) {
            need();
            return next.read(offset, length);
        }

        @Override
        public void flush() {
            need();
            next.flush();
        }

        @Override
        public void close() {
            closed = true;
            next.close();
        }

        @Override
        public void write(long offset, byte[] data) {
            need();
            changes++;
            written.add(offset);
            next.write(offset, data);
        }

        @Override
        public void zero(long offset, long length) {
            changes++;
            beforeZero.run();
            next.zero(offset, length);
        }

        @Override
        public void discard(long offset, long length) {
            changes++;
            next.discard(offset, length);
        }
    }

    private record SharedLun(Watched medium) implements GroupDevice {
        @Override
        public boolean isLost() {
            return medium.gone;
        }

        @Override
        public String place() {
            return "lun";
        }

        @Override
        public boolean isShared() {
            return true;
        }
    }

    @TempDir Path directory;

    private final AtomicLong stoodStill = new AtomicLong();
    private final Clock clock =
            new Clock() {
                @Override
                public long nanoTime() {
                    return Clock.system().nanoTime() + stoodStill.get();
                }

                @Override
                public long epochMillis() {
                    return Clock.system().epochMillis();
                }
            };
    private Watched medium;
    private LvmSr sr;
    private VolumeStore store;

    @BeforeEach
    void attach() {
        medium =
                new Watched(
                        LvmTestGroup.medium(LvmTestGroup.file(directory, 1L << 30), 512));
        SrContext context =
                new SrContext(
                        LvmTestGroup.HOST,
                        directory,
                        clock,
                        RandomSource.secure(),
                        Runnable::run,
                        Operation.unbounded("test", clock));
        SrIdentity identity = new SrIdentity(LvmTestGroup.REPOSITORY, "name", "", Map.of());
        GroupDevice device = new SharedLun(medium);
        NewRepository.make(device, identity, GroupOptions.of(new DeviceConfig(Map.of())), context);
        sr = LvmSr.attach(device, identity, context);
        store = sr.volumes();
        store.commit(List.of(create(DISK), create(OTHER)));
    }

    @AfterEach
    void detach() {
        if (!medium.closed) {
            sr.close();
        }
    }

    private static VolumeChange create(VolumeId id) {
        return new VolumeChange.Create(id, EXTENT, Map.of("label", "disk"));
    }

    private void assertChangesNothing(Executable work) {
        long before = medium.changes;
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, work);
        assertEquals(before, medium.changes);
    }

    @Test
    void nothingIsWrittenByAHostThatStoodStill() {
        VolumeId third = new VolumeId(VolumeKind.VHD, new UUID(0, 3));
        try (StoreVolume open = store.open(DISK, true)) {
            stoodStill.addAndGet(TOO_LONG);
            assertChangesNothing(() -> store.commit(List.of(create(third))));
            assertChangesNothing(() -> store.commit(List.of(new VolumeChange.Delete(OTHER))));
            assertChangesNothing(
                    () ->
                            store.commit(
                                    List.of(new VolumeChange.SetAttributes(OTHER, Map.of()))));
            assertChangesNothing(
                    () -> store.commit(List.of(new VolumeChange.SetMarks(OTHER, true, true))));
            assertChangesNothing(() -> open.shrink(0));
            assertChangesNothing(() -> sr.update(sr.identity()));
            assertChangesNothing(sr::check);
            long before = medium.changes;
            assertTrue(open.grow(8 * EXTENT).toCompletableFuture().isCompletedExceptionally());
            assertEquals(before, medium.changes);
        }
        stoodStill.set(0);
        assertEquals(Set.of(DISK, OTHER), store.ids());
    }

    /** What was decided on before is not carried out after. */
    @Test
    void hostThatStandsStillWithinACommitDoesNotEndIt() {
        medium.beforeZero =
                () -> {
                    stoodStill.set(TOO_LONG);
                    medium.written.clear();
                };
        VolumeId third = new VolumeId(VolumeKind.VHD, new UUID(0, 3));
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, () -> store.commit(List.of(create(third))));
        assertEquals(List.of(), medium.written.stream().filter(this::isOfNoClaim).toList());
        medium.beforeZero = () -> {};
        stoodStill.set(0);
        assertFalse(store.ids().contains(third));
        store.commit(List.of(create(third)));
    }

    /** A host writes in its own place whenever it likes. */
    private boolean isOfNoClaim(long offset) {
        GroupMetadata metadata = GroupMetadata.open(medium);
        LogicalVolume claims = metadata.group().volume(GroupClaims.VOLUME).orElseThrow();
        ExtentRun run = claims.segments().getFirst().runs().getFirst();
        long start = metadata.offsetOf(run.pv(), run.start());
        return offset < start || offset >= start + run.count() * metadata.group().extentBytes();
    }

    /** It can be opened anew afterwards. */
    @Test
    void deviceThatWasUnpluggedIsLetGoOf() {
        assertFalse(sr.isLost());
        medium.gone = true;
        assertTrue(sr.isLost());
        assertTrue(sr.needsAttaching());
        Errors.assertFails(ErrorCode.SR_IO_ERROR, sr::close);
        assertTrue(medium.closed);
    }

    @Test
    void disksOfAHostThatLivesAreRead() {
        try (StoreVolume open = store.open(DISK, true);
                DirectContext lane = new DirectContext()) {
            lane.write(open.device(), 0, 4096, 7);
            assertEquals(7, lane.read(open.device(), 0, 4096)[4095]);
        }
    }
}
