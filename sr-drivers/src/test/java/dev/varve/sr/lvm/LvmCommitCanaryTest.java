// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeChange;

import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * Commits that break a rule of their order are found by {@link LvmCommitCrashTest}. The rules are
 * broken below the store, by a medium that does what it is told at another time.
 */
class LvmCommitCanaryTest {
    /** Where the header of the metadata lies, by whose write a commit happens. */
    private static final long HEADER = 4096;

    /** Knows whether the commit has happened. */
    private abstract static class Canary extends ForwardingMedium {
        private boolean headerIsNew;

        Canary(BlockMedium next) {
            super(next);
        }

        @Override
        public void write(long offset, byte[] data) {
            headerIsNew = offset == HEADER;
            next.write(offset, data);
        }

        boolean isHeaderNew() {
            return headerIsNew;
        }
    }

    private static List<VolumeChange> commit(String name) {
        return LvmCommitCrashTest.commits().stream()
                .filter(each -> each.getName().equals(name))
                .map(Named::getPayload)
                .findFirst()
                .orElseThrow();
    }

    private static <T extends Throwable> void assertFound(
            Class<T> how, String commit, UnaryOperator<BlockMedium> faults) {
        assertThrows(how, () -> LvmCommitCrashTest.leavesAllOrNothing(commit(commit), 512, faults));
    }

    /** The header may be on the disk, and the text that it names not. */
    @Test
    void findsATextThatIsNotFlushedBeforeItsHeader() {
        assertFound(
                StorageException.class,
                "create",
                disk ->
                        new Canary(disk) {
                            @Override
                            public void flush() {
                                if (isHeaderNew()) {
                                    next.flush();
                                }
                            }
                        });
    }

    @Test
    void findsACommitThatReturnsBeforeItIsDurable() {
        assertFound(
                AssertionError.class,
                "delete",
                disk ->
                        new Canary(disk) {
                            @Override
                            public void flush() {
                                if (!isHeaderNew()) {
                                    next.flush();
                                }
                            }
                        });
    }

    /** A new volume would show what another one has left. */
    @Test
    void findsExtentsThatAreZeroedAfterTheCommit() {
        assertFound(
                AssertionError.class,
                "create",
                disk ->
                        new Canary(disk) {
                            private final List<Runnable> late = new ArrayList<>();

                            @Override
                            public void zero(long offset, long length) {
                                late.add(() -> next.zero(offset, length));
                            }

                            @Override
                            public void flush() {
                                next.flush();
                                if (isHeaderNew()) {
                                    late.forEach(Runnable::run);
                                    late.clear();
                                    next.flush();
                                }
                            }
                        });
    }

    /** The entry of the log counts at once, whatever becomes of the group. */
    @Test
    void findsAttributesThatCountBeforeTheCommit() {
        assertFound(
                AssertionError.class,
                "snapshot",
                disk ->
                        new Canary(disk) {
                            @Override
                            public void write(long offset, byte[] data) {
                                super.write(offset, early(data));
                            }
                        });
    }

    /**
     * What is written to the log is an entry and zeros; in it nothing says any more "with the
     * group".
     */
    private static byte[] early(byte[] data) {
        byte[] changed = data.clone();
        Optional.of(data)
                .filter(bytes -> bytes.length >= AttributeEntry.HEADER_BYTES)
                .flatMap(AttributeEntry::length)
                .filter(length -> length <= data.length)
                .flatMap(length -> AttributeEntry.decode(Arrays.copyOf(data, length.intValue())))
                .map(entry -> new AttributeEntry(entry.number(), false, entry.records()).encode())
                .ifPresent(early -> System.arraycopy(early, 0, changed, 0, early.length));
        return changed;
    }

    /** A crash may bring back the volume whose extents are gone. */
    @Test
    void findsExtentsThatAreDiscardedBeforeTheCommit() {
        List<long[]> freed = new ArrayList<>();
        LvmCommitCrashTest.leavesAllOrNothing(
                commit("delete"),
                512,
                disk ->
                        new ForwardingMedium(disk) {
                            @Override
                            public void discard(long offset, long length) {
                                freed.add(new long[] {offset, length});
                                next.discard(offset, length);
                            }
                        });
        assertFound(
                AssertionError.class,
                "delete",
                disk ->
                        new Canary(disk) {
                            private boolean begun;

                            @Override
                            public void write(long offset, byte[] data) {
                                if (!begun) {
                                    begun = true;
                                    freed.forEach(range -> next.discard(range[0], range[1]));
                                }
                                super.write(offset, data);
                            }
                        });
    }
}
