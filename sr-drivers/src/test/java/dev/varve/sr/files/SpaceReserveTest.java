// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;

/** Room that is kept back, on a file system whose size the test says. */
class SpaceReserveTest {
    private static final long SIZE = 1L << 30;
    private static final long WANTED = 64L << 20;

    @TempDir Path root;
    private final LinuxFileOps real = new LinuxFileOps();

    /** What guests have taken. */
    private long taken;

    private long reserve;
    private FileOps ops;
    private FileVolumeStore store;

    @BeforeEach
    void open() {
        ops =
                (FileOps)
                        Proxy.newProxyInstance(
                                FileOps.class.getClassLoader(),
                                new Class<?>[] {FileOps.class},
                                (_, method, arguments) -> call(method, arguments));
        store =
                new FileVolumeStore(
                        root, ops, new OpenFiles(FileStoreSettings.DEFAULT, Runnable::run));
        store.recover();
    }

    private Object call(Method method, Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "space" -> {
                return new StoreSpace(SIZE, taken + reserve);
            }
            case "takeRoom" -> {
                long wanted = (long) arguments[1];
                if (wanted - reserve <= SIZE - taken - reserve) {
                    reserve = wanted;
                }
                real.delete((Path) arguments[0]);
                real.createSparse((Path) arguments[0], reserve);
                return reserve;
            }
            case "write", "createSparse" -> {
                if (taken + reserve >= SIZE) {
                    throw ErrorCode.SR_NO_SPACE.because("it is full");
                }
            }
            default -> {}
        }
        try {
            return method.invoke(real, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static VolumeId vhd() {
        return new VolumeId(VolumeKind.VHD, UUID.randomUUID());
    }

    private void makeTwo() {
        store.commit(
                List.of(
                        new VolumeChange.Create(vhd(), 4096, Map.of("a", "b")),
                        new VolumeChange.Create(vhd(), 4096, Map.of("a", "b"))));
    }

    @Test
    void sizesFitTheFileSystem() {
        assertEquals(1L << 30, SpaceReserve.wantedBytes(1L << 40));
        assertEquals(512L << 20, SpaceReserve.wantedBytes(100L << 30));
        assertEquals(64L << 20, SpaceReserve.wantedBytes(4L << 30));
        assertEquals(1L << 20, SpaceReserve.wantedBytes(16L << 20));
    }

    @Test
    void nothingIsKeptWhileThereIsPlenty() {
        taken = SIZE / 4;
        assertEquals(taken, store.space().physicalUsedBytes());
        assertEquals(0, reserve);
    }

    @Test
    void itIsKeptWhenThereIsLittleAndUsedByCommits() {
        taken = SIZE - 200 * (1 << 20);
        assertEquals(taken + WANTED, store.space().physicalUsedBytes());
        taken = SIZE - WANTED;
        assertEquals(0, store.space().freeBytes());
        makeTwo();
        assertEquals(2, store.list().size());
        assertEquals(WANTED - (1 << 20), reserve);
    }

    @Test
    void itIsKeptAgainBeforeGuestsAreToldOfRoom() {
        taken = SIZE - 200 * (1 << 20);
        store.space();
        taken = SIZE - WANTED;
        makeTwo();
        VolumeId volume = store.list().getFirst().id();
        taken -= 10 << 20;
        AtomicInteger told = new AtomicInteger();
        long[] kept = new long[1];
        store.whenRoom(
                () -> {
                    told.incrementAndGet();
                    kept[0] = reserve;
                });
        store.commit(List.of(new VolumeChange.Delete(volume)));
        assertEquals(1, told.get());
        assertEquals(WANTED, kept[0]);
        store.commit(
                List.of(
                        new VolumeChange.SetAttributes(
                                store.list().getFirst().id(), Map.of("c", "d"))));
        assertEquals(1, told.get());
    }

    @Test
    void aMergeTakesAsMuchAsItNeedsUntilItIsGone() {
        taken = SIZE - 200 * (1 << 20);
        store.space();
        assertEquals(10 << 20, store.useReserve(10 << 20));
        assertEquals(WANTED - (10 << 20), store.useReserve(1L << 40));
        assertEquals(0, store.useReserve(1));
        assertTrue(store.space().freeBytes() < 200L << 20);
        assertEquals(WANTED, reserve);
    }

    @Test
    void withoutAnyACommitFailsAndChangesNothing() {
        taken = SIZE;
        StorageException full = assertThrows(StorageException.class, this::makeTwo);
        assertEquals(ErrorCode.SR_NO_SPACE, full.code());
        assertTrue(store.list().isEmpty());
        assertFalse(ops.names(root.resolve(".varve/staging")).iterator().hasNext());
    }

    @Test
    void aFullFileSystemLetsHalfOfWhatIsLeftToGuests() {
        taken = SIZE - (20 << 20);
        store.space();
        assertEquals(10 << 20, reserve);
        taken = SIZE - reserve;
        store.space();
        assertEquals(10 << 20, reserve);
    }
}
