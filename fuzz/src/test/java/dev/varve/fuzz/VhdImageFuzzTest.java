// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;

import dev.varve.sim.SimContent;
import dev.varve.sim.SimHost;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenLayer;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.MethodSource;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Any bytes as an image: it is refused with a {@link StorageException}, or it can be inspected,
 * opened, read, written, committed and closed, and then it is in order. No structure is looked for
 * outside the volume, which the simulated medium checks.
 */
@Tag("fuzz")
class VhdImageFuzzTest {
    private static final int MOST_BYTES = 1 << 20;

    static Stream<byte[]> images() {
        return Stream.of(
                VhdBytes.forFuzzer(0, VhdBytes.dynamic(false)),
                VhdBytes.forFuzzer(1, VhdBytes.dynamic(true)),
                VhdBytes.forFuzzer(3, VhdBytes.dynamic(true)),
                VhdBytes.forFuzzer(0, VhdBytes.fixed()),
                VhdBytes.forFuzzer(0, new byte[4096]),
                new byte[0]);
    }

    @MethodSource("images")
    @FuzzTest(maxDuration = "2m")
    void refusesAnImageOrServesIt(byte[] input) {
        SimContent content = VhdBytes.fromFuzzer(input);
        try (SimHost host = VhdBytes.host(content)) {
            ImageInfo info;
            ImageLayer layer;
            try {
                VhdBytes.FORMAT.probe(host.access());
                info = VhdBytes.FORMAT.inspect(host.access());
                layer = VhdBytes.FORMAT.open(host.access(), true);
            } catch (StorageException refused) {
                return;
            }
            assertEquals(info.sizeBytes(), layer.sizeBytes());
            serve(host, layer);
        }
    }

    private static void serve(SimHost host, ImageLayer layer) {
        ActiveVdi vdi =
                new ActiveVdi(
                        new UUID(5, 6),
                        List.of(new OpenLayer(host.volume(), layer)),
                        true,
                        4,
                        List.of(),
                        below -> {},
                        () -> {});
        long size = layer.sizeBytes();
        int length = (int) Math.min(size, MOST_BYTES);
        MemorySegment memory = host.allocate(length);
        assertEquals(IoStatus.OK, run(host, vdi, BlockOp.READ, 0, length, memory));
        assertEquals(IoStatus.OK, run(host, vdi, BlockOp.READ, size - length, length, memory));
        assertEquals(IoStatus.OK, run(host, vdi, BlockOp.WRITE, 0, 512, memory));
        assertEquals(IoStatus.OK, run(host, vdi, BlockOp.WRITE, size - 512, 512, memory));
        assertEquals(IoStatus.OK, run(host, vdi, BlockOp.FLUSH, 0, 0, null));
        layer.seal(host.access(), layer.info().hidden());
        ImageInfo closed = VhdBytes.FORMAT.inspect(host.access());
        assertTrue(closed.clean());
        assertEquals(size, closed.sizeBytes());
    }

    private static IoStatus run(
            SimHost host,
            ActiveVdi vdi,
            BlockOp op,
            long offset,
            long length,
            MemorySegment memory) {
        IoStatus[] outcome = new IoStatus[1];
        host.lane()
                .submit(
                        vdi.device(),
                        op,
                        0,
                        offset,
                        length,
                        memory,
                        0,
                        end -> {
                            outcome[0] = end.status;
                            end.context.release(end);
                        });
        host.runUntil(() -> outcome[0] != null);
        return outcome[0];
    }
}
