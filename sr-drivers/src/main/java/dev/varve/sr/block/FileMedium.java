// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoFile;

import java.nio.file.Path;
import java.util.Optional;

/**
 * A block device of this host, or a plain file that stands for one, past the page cache where that
 * is possible.
 *
 * <p><b>Threads:</b> any.
 */
public final class FileMedium implements BlockMedium {
    private final Path path;
    private final int blockBytes;
    private final boolean writable;
    private final int fd;
    private final BlockBytes bytes;
    private final RawFileDevice device;

    private FileMedium(Path path, int blockBytes, boolean writable, int fd, RawFileDevice device) {
        this.path = path;
        this.blockBytes = blockBytes;
        this.writable = writable;
        this.fd = fd;
        this.bytes = new BlockBytes(path.toString(), blockBytes, new DescriptorTransfers(fd));
        this.device = device;
    }

    /**
     * Opens a device that is there.
     *
     * @param blockBytes its logical block in bytes
     */
    public static FileMedium open(Path path, int blockBytes, boolean writable) {
        IoFile file = IoFile.open(path, writable, true);
        int mode = (writable ? Libc.O_RDWR : Libc.O_RDONLY) | Libc.O_CLOEXEC;
        int fd = Libc.open(path.toString(), file.isDirect() ? mode | Libc.O_DIRECT : mode);
        if (fd < 0) {
            file.close();
            throw BlockBytes.failure(fd, "cannot open " + path);
        }
        return new FileMedium(path, blockBytes, writable, fd, new RawFileDevice(file, writable));
    }

    @Override
    public String name() {
        return path.toString();
    }

    @Override
    public long sizeBytes() {
        return bytes.size();
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public boolean isWritable() {
        return writable;
    }

    // ---- bytes

    @Override
    public byte[] read(long offset, int length) {
        return bytes.read(offset, length);
    }

    @Override
    public void write(long offset, byte[] data) {
        bytes.write(offset, data);
    }

    @Override
    public void flush() {
        bytes.flush();
    }

    /** On a block device the kernel sends a command that zeroes, or zeros. */
    @Override
    public void zero(long offset, long length) {
        bytes.zero(offset, length);
    }

    @Override
    public void discard(long offset, long length) {
        bytes.discard(offset, length);
    }

    @Override
    public boolean canDiscard() {
        return writable;
    }

    // ---- as a device

    @Override
    public BlockDevice device() {
        return device;
    }

    @Override
    public Optional<Reservations> reservations() {
        return Optional.empty();
    }

    @Override
    public void check() {
        read(0, blockBytes);
    }

    @Override
    public void close() {
        Libc.close(fd);
        device.close();
    }
}
