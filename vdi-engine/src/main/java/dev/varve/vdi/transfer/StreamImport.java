// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskContent;
import dev.varve.vdi.engine.ActiveVdi;

import java.nio.channels.ReadableByteChannel;

/**
 * A stream as the content of a disk. It is read once, from its start to its end, a few MiB at a
 * time. What it does not say is zero, and zeros take no space.
 *
 * <p><b>Errors:</b> {@code IMPORT_ERROR_GENERIC} says what is wrong with the stream, and at which
 * of its bytes; {@code VDI_TOO_SMALL} that the disk cannot hold it. The disk is not to be used
 * then.
 *
 * <p><b>Threads:</b> one, not a lane's.
 */
public abstract class StreamImport implements DiskContent {
    /** The length of a stream that nobody knows. */
    public static final long UNKNOWN_LENGTH = -1;

    private final StreamInput input;
    private final boolean overContent;

    /**
     * @param overContent whether the stream says only what differs from what the disk holds
     */
    StreamImport(StreamInput input, boolean overContent) {
        this.input = input;
        this.overContent = overContent;
    }

    /**
     * The content that a stream has. Reads the start of the stream, to see what it is.
     *
     * @param source gives the stream and its end; a break is an IOException
     * @param lengthBytes its length, or {@link #UNKNOWN_LENGTH}
     */
    public static StreamImport open(
            TransferFormat format,
            ReadableByteChannel source,
            long lengthBytes,
            Operation operation) {
        StreamInput input = new StreamInput(source, lengthBytes, operation);
        return switch (format) {
            case RAW -> new RawImport(input);
            case VHD -> VhdImports.open(input);
            case VMDK -> new VmdkImport(input);
        };
    }

    /** As {@link #open}, for raw content in the pieces that {@link ChunkedImport} describes. */
    public static StreamImport chunked(
            ReadableByteChannel source, long lengthBytes, Operation operation) {
        return new ChunkedImport(new StreamInput(source, lengthBytes, operation));
    }

    /**
     * Whether the stream says only what differs from what the disk holds, as a differencing image
     * does. Then the content belongs over that of a disk.
     */
    public final boolean isOverContent() {
        return overContent;
    }

    @Override
    public final void writeTo(ActiveVdi target, Operation operation) {
        DiskIo disk = new DiskIo(target);
        try (DiskWriter writer = new DiskWriter(disk, !overContent)) {
            copy(input, writer, disk);
            writer.finish();
        }
        operation.progress(1.0);
    }

    /** Reads the stream and writes what it says. */
    abstract void copy(StreamInput stream, DiskWriter writer, DiskIo disk);

    /** Refuses a stream that is larger than the disk. */
    static void requireRoom(DiskIo disk, long sizeBytes) {
        if (sizeBytes > disk.sizeBytes()) {
            throw tooSmall(disk, sizeBytes);
        }
    }

    static StorageException tooSmall(DiskIo disk, long sizeBytes) {
        return ErrorCode.VDI_TOO_SMALL.with(disk.vdi().uuid().toString(), Long.toString(sizeBytes));
    }
}
