// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sim.SimHost;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenLayer;
import dev.varve.vdi.transfer.StreamImport;
import dev.varve.vdi.transfer.TransferFormat;

import java.io.ByteArrayInputStream;
import java.nio.channels.Channels;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/** A small disk on a simulated machine that any stream is imported into. */
final class StreamTarget {
    private static final long SIZE = 4 << 20;

    /** What may be wrong with a stream; everything else would be our own mistake. */
    private static final Set<ErrorCode> REFUSALS =
            Set.of(ErrorCode.IMPORT_ERROR_GENERIC, ErrorCode.VDI_TOO_SMALL);

    private StreamTarget() {}

    /** Imports the stream, or sees it refused; the disk is whole afterwards. */
    static void importOrRefuse(TransferFormat format, byte[] stream) {
        try (SimHost host = VhdBytes.host(VhdBytes.ours(SIZE))) {
            var layer = VhdBytes.FORMAT.open(host.access(), true);
            ActiveVdi vdi =
                    new ActiveVdi(
                            new UUID(5, 6),
                            List.of(new OpenLayer(host.volume(), layer)),
                            true,
                            4,
                            List.of(),
                            below -> {},
                            () -> {});
            Operation operation = Operation.unbounded("import", VhdBytes.CLOCK);
            try {
                StreamImport.open(
                                format,
                                Channels.newChannel(new ByteArrayInputStream(stream)),
                                StreamImport.UNKNOWN_LENGTH,
                                operation)
                        .writeTo(vdi, operation);
            } catch (StorageException e) {
                assertTrue(REFUSALS.contains(e.code()), e::toString);
            }
            assertEquals(IoStatus.OK, flush(host, vdi));
            layer.seal(host.access(), false);
            assertTrue(VhdBytes.FORMAT.inspect(host.access()).clean());
        }
    }

    private static IoStatus flush(SimHost host, ActiveVdi vdi) {
        IoStatus[] outcome = new IoStatus[1];
        host.lane()
                .submit(
                        vdi.device(),
                        BlockOp.FLUSH,
                        0,
                        0,
                        0,
                        null,
                        0,
                        end -> {
                            outcome[0] = end.status;
                            end.context.release(end);
                        });
        host.runUntil(() -> outcome[0] != null);
        return outcome[0];
    }
}
