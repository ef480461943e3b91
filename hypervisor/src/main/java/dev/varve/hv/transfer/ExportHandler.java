// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import dev.varve.hv.http.Route;
import dev.varve.hv.http.StreamedExchange;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.hv.xenapi.resource.VdiTransfers;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.transfer.DiskExport;
import dev.varve.vdi.transfer.TransferFormat;

import java.io.IOException;
import java.util.Map;

/** {@code GET /export_raw_vdi}: a disk goes out. */
public final class ExportHandler implements Route.Streaming {
    private final VdiTransfers transfers;
    private final Tasks tasks;
    private final Clock clock;
    private final TransferLimit limit;

    /**
     * @param limit how many transfers there may be
     */
    public ExportHandler(VdiTransfers transfers, Tasks tasks, Clock clock, TransferLimit limit) {
        this.transfers = transfers;
        this.tasks = tasks;
        this.clock = clock;
        this.limit = limit;
    }

    @Override
    public void run(Route.Request request, StreamedExchange exchange) throws IOException {
        TransferRequest wanted = new TransferRequest(request);
        TransferTask task;
        try {
            task = TransferTask.begin(tasks, wanted.get("task_id"), "Export of a disk", clock);
        } catch (StorageException e) {
            Failures.refuse(exchange, e, Map.of());
            return;
        }
        task.run(
                exchange,
                () -> {
                    try (var _ = limit.take()) {
                        send(wanted, task, exchange);
                    }
                    return "";
                });
    }

    private void send(TransferRequest wanted, TransferTask task, StreamedExchange exchange)
            throws IOException {
        ApiObject vdi = transfers.disk(wanted.require("vdi"));
        TransferFormat format = TransferFormat.leaving(wanted.get("format").orElse("raw"));
        transfers.send(
                vdi,
                wanted.get("base").map(transfers::disk),
                format,
                task.ref(),
                task.operation(),
                export -> send(export, vdi, format, task, exchange));
    }

    private static void send(
            DiskExport export,
            ApiObject vdi,
            TransferFormat format,
            TransferTask task,
            StreamedExchange exchange)
            throws IOException {
        exchange.respond(
                200,
                format.contentType(),
                export.lengthBytes(),
                Map.of(
                        TransferTask.HEADER,
                        task.ref(),
                        "content-disposition",
                        "attachment; filename=\"" + vdi.uuid() + "." + format.text() + "\""));
        export.writeTo(exchange.content(), task.operation());
    }
}
