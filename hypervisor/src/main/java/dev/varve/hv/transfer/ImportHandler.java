// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import dev.varve.hv.http.Route;
import dev.varve.hv.http.StreamedExchange;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.hv.xenapi.XmlText;
import dev.varve.hv.xenapi.resource.VdiTransfers;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiTypes;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.transfer.StreamImport;
import dev.varve.vdi.transfer.TransferFormat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;

/**
 * {@code PUT /import_raw_vdi}: a disk comes in, into one that is there or, with {@code sr_id}, as a
 * new one. The response comes before the body, because clients wait for it; how the import ended is
 * said by the task.
 */
public final class ImportHandler implements Route.Streaming {
    private final VdiTransfers transfers;
    private final Tasks tasks;
    private final Clock clock;
    private final TransferLimit limit;

    /**
     * @param limit how many transfers there may be
     */
    public ImportHandler(VdiTransfers transfers, Tasks tasks, Clock clock, TransferLimit limit) {
        this.transfers = transfers;
        this.tasks = tasks;
        this.clock = clock;
        this.limit = limit;
    }

    @Override
    public void run(Route.Request request, StreamedExchange exchange) throws IOException {
        TransferRequest wanted = new TransferRequest(request);
        if (exchange.hasTransferEncoding()) {
            exchange.refuse(
                    403,
                    "a Transfer-Encoding is not taken here; send a Content-Length\n",
                    Map.of());
            return;
        }
        if (wanted.get("task_id").isEmpty() && isQuestion(exchange)) {
            return;
        }
        TransferTask task;
        try {
            task = TransferTask.begin(tasks, wanted.get("task_id"), "Import of a disk", clock);
        } catch (StorageException e) {
            Failures.refuse(exchange, e, Map.of());
            return;
        }
        task.run(
                exchange,
                () -> {
                    try (var _ = limit.take()) {
                        return receive(wanted, task, exchange);
                    } catch (UncheckedIOException e) {
                        throw e.getCause();
                    }
                });
    }

    /**
     * Before the body some clients send a request without any, and without a task, to see whether
     * this is the right place: sometimes with a length, though none comes. It changes nothing and
     * must not be in the way of the next.
     */
    private static boolean isQuestion(StreamedExchange exchange) throws IOException {
        long length = exchange.bodyLength();
        if (length > 0) {
            return false;
        }
        exchange.respond(200, "text/plain", length, Map.of());
        return length == 0 || !exchange.hasBody();
    }

    private String receive(TransferRequest wanted, TransferTask task, StreamedExchange exchange)
            throws IOException {
        TransferFormat format = TransferFormat.coming(wanted.get("format").orElse("raw"));
        boolean chunked = wanted.flag("chunked");
        if (chunked && format != TransferFormat.RAW) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "chunked", "true", "only raw content comes in chunks");
        }
        long length = exchange.bodyLength();
        Incoming incoming = new Incoming(format, chunked, length, task, exchange);
        if (wanted.get("vdi").isPresent()) {
            ApiObject vdi = transfers.disk(wanted.require("vdi"));
            refuseTooLong(vdi, incoming);
            transfers.receive(vdi, task.ref(), task.operation(), incoming::accept, incoming::open);
            return "";
        }
        if (wanted.get("sr_id").isEmpty()) {
            throw ErrorCode.INVALID_VALUE.with("vdi", "");
        }
        return receiveNew(transfers.repository(wanted.require("sr_id")), incoming);
    }

    private static void refuseTooLong(ApiObject vdi, Incoming incoming) {
        boolean plain = incoming.format() == TransferFormat.RAW && !incoming.chunked();
        if (plain && incoming.length() > vdi.number("virtual_size")) {
            throw ErrorCode.VDI_TOO_SMALL.with(vdi.ref(), Long.toString(incoming.length()));
        }
        if (incoming.length() == 0) {
            throw ErrorCode.IMPORT_ERROR_GENERIC.with("the stream is empty; nothing was changed");
        }
    }

    private String receiveNew(ApiObject sr, Incoming incoming) {
        if (incoming.format() != TransferFormat.RAW || incoming.chunked()) {
            throw ErrorCode.VALUE_NOT_SUPPORTED.with(
                    "format",
                    incoming.format().text(),
                    "only plain raw content makes a new disk; create one and import into it");
        }
        if (incoming.length() <= 0) {
            throw ErrorCode.INVALID_VALUE.with("content-length", "");
        }
        String ref =
                transfers.receiveNew(
                        sr,
                        incoming.length(),
                        incoming.task().ref(),
                        incoming.task().operation(),
                        incoming::accept,
                        incoming::open);
        return XmlText.of(ApiSchema.XENAPI, ApiTypes.ref("VDI"), ref);
    }

    /** A stream that waits for the response before it begins. */
    private record Incoming(
            TransferFormat format,
            boolean chunked,
            long length,
            TransferTask task,
            StreamedExchange exchange) {
        void accept() {
            try {
                exchange.respond(200, "text/plain", -1, Map.of(TransferTask.HEADER, task.ref()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        StreamImport open() {
            Operation operation = task.operation();
            long known = length < 0 ? StreamImport.UNKNOWN_LENGTH : length;
            try {
                return chunked
                        ? StreamImport.chunked(exchange.body(), known, operation)
                        : StreamImport.open(format, exchange.body(), known, operation);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
