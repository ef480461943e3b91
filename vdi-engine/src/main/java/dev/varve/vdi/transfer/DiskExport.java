// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.Operation;

import java.io.IOException;
import java.nio.channels.WritableByteChannel;

/**
 * What a disk holds, in the order in which it goes out.
 *
 * <p><b>Threads:</b> one, not a lane's. Nobody writes the disk meanwhile.
 */
public interface DiskExport {
    /** How many bytes it has, exactly. */
    long lengthBytes();

    /**
     * Sends it. Blocks as long as the taker does; meanwhile it keeps a few blocks in memory and no
     * request under way.
     *
     * @param sink takes whole buffers: a call of write returns when all bytes are taken, and the
     *     buffer is used anew afterwards
     * @throws IOException that of the sink
     * @throws dev.varve.vdi.StorageException when the disk cannot be read, or TASK_CANCELLED
     */
    void writeTo(WritableByteChannel sink, Operation operation) throws IOException;
}
