// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executor;

/** Groups on plain files, for tests. */
final class LvmTestGroup {
    static final UUID REPOSITORY = UUID.fromString("7f2b6f1c-4f3e-4a44-9d5e-2f6f7d0b8a11");
    static final UUID HOST = UUID.fromString("0d3a6f54-9d2b-4a55-8f5c-0c8b4b0b1c22");
    static final long EXTENT_BYTES = 4 << 20;

    private LvmTestGroup() {}

    /** A sparse file of a size. */
    static Path file(Path directory, long sizeBytes) {
        Path file = directory.resolve("medium");
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), sizeBytes - 1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file;
    }

    /** The file as a medium on which zeroes take no room. */
    static BlockMedium medium(Path file, int blockBytes) {
        return new ForwardingMedium(FileMedium.open(file, blockBytes, true)) {
            @Override
            public void zero(long offset, long length) {
                next.discard(offset, length);
            }
        };
    }

    /** An empty group. */
    static GroupMetadata create(BlockMedium medium) {
        return GroupMetadata.create(
                medium,
                VolumeNames.group(REPOSITORY),
                RandomSource.secure(),
                Clock.system(),
                GroupMetadata.DEFAULT_METADATA_BYTES,
                EXTENT_BYTES,
                List.of());
    }

    /** The store in the group of a medium, recovered. */
    static LvmVolumeStore attach(BlockMedium medium, Executor blocking) {
        LvmVolumeStore store = open(medium, blocking);
        store.recover();
        return store;
    }

    /** The store in the group of a medium. */
    static LvmVolumeStore open(BlockMedium medium, Executor blocking) {
        return new LvmVolumeStore(
                new LvmAccess(
                        medium,
                        GroupMetadata.open(medium),
                        GroupOwner.alone(),
                        LvmStoreSettings.DEFAULT,
                        blocking,
                        HOST));
    }
}
