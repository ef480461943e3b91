// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Remembers every change and every flush in the order in which they completed, so that the state of
 * the device after any prefix can be made again.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class WriteLogFilter extends BlockFilter {
    /** Something that changed the device or made changes durable. */
    public sealed interface Entry {
        /** Data was written. */
        record Write(long offset, byte[] data, boolean durable) implements Entry {}

        /** A range was made zero. */
        record Zero(long offset, long length) implements Entry {}

        /** A range was given back. */
        record Discard(long offset, long length) implements Entry {}

        /** Everything before is durable. */
        record Flush() implements Entry {}
    }

    private final List<Entry> entries = new ArrayList<>();
    private final BlockCompletion done = this::done;

    /** A filter with an empty log. */
    public WriteLogFilter() {}

    /** What happened so far. */
    public List<Entry> entries() {
        return List.copyOf(entries);
    }

    @Override
    public void submit(BlockRequest request) {
        switch (request.op) {
            case READ, EXTENTS -> next().submit(request);
            case WRITE, WRITE_ZEROES, DISCARD, FLUSH -> {
                request.push(done);
                next().submit(request);
            }
        }
    }

    private void done(BlockRequest request) {
        if (request.status == IoStatus.OK) {
            entries.add(entry(request));
        }
        request.complete(request.status);
    }

    private static Entry entry(BlockRequest request) {
        return switch (request.op) {
            case WRITE -> {
                byte[] data = new byte[(int) request.length];
                MemorySegment.copy(
                        request.buffer,
                        ValueLayout.JAVA_BYTE,
                        request.bufferOffset,
                        data,
                        0,
                        data.length);
                yield new Entry.Write(request.offset, data, request.has(BlockRequest.FUA));
            }
            case WRITE_ZEROES -> new Entry.Zero(request.offset, request.length);
            case DISCARD -> new Entry.Discard(request.offset, request.length);
            case FLUSH -> new Entry.Flush();
            case READ, EXTENTS -> throw new IllegalStateException("reads are not logged");
        };
    }
}
