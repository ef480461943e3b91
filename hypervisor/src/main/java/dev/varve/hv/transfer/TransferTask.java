// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import dev.varve.hv.http.StreamedExchange;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The task that shows a transfer: that of the client, which keeps it with its outcome, or one that
 * is gone with the transfer.
 *
 * <p><b>Invariants:</b> whatever happens, the task of a client ends.
 */
final class TransferTask {
    private static final Logger LOG = LoggerFactory.getLogger(TransferTask.class);

    /** The header of a response that names the task. */
    static final String HEADER = "task_id";

    private final Tasks tasks;
    private final String ref;
    private final boolean own;
    private final Operation operation;

    private TransferTask(Tasks tasks, String ref, boolean own, Operation operation) {
        this.tasks = tasks;
        this.ref = ref;
        this.own = own;
        this.operation = operation;
    }

    /**
     * Takes the client's task, or makes one.
     *
     * @throws StorageException HANDLE_INVALID or OPERATION_NOT_ALLOWED when it cannot be taken
     */
    static TransferTask begin(Tasks tasks, Optional<String> named, String label, Clock clock) {
        if (named.isPresent()) {
            return new TransferTask(tasks, named.get(), false, tasks.take(named.get()));
        }
        Operation operation = Operation.unbounded(label, clock);
        return new TransferTask(tasks, tasks.begin(operation), true, operation);
    }

    String ref() {
        return ref;
    }

    Operation operation() {
        return operation;
    }

    /** A transfer. */
    interface Work {
        /**
         * Does it.
         *
         * @return the result of the task as XML-RPC writes it, or nothing
         */
        String run() throws IOException;
    }

    /** Does a transfer and ends the task as it ended. */
    void run(StreamedExchange exchange, Work work) throws IOException {
        try (var _ = operation.whenCancelled(exchange::abort)) {
            String result = work.run();
            end(() -> tasks.complete(ref, result));
        } catch (StorageException e) {
            fail(exchange, e);
        } catch (IOException e) {
            fail(exchange, broken(e));
        } catch (RuntimeException e) {
            LOG.error("a transfer failed", e);
            fail(exchange, ErrorCode.INTERNAL_ERROR.with(e.toString()));
        }
    }

    /** Whoever cancels ends the connection as well. */
    private StorageException broken(IOException failure) {
        return operation.isCancelled()
                ? ErrorCode.TASK_CANCELLED.with(ref)
                : new StorageException(
                        ErrorCode.CLIENT_ERROR,
                        List.of("the transfer was cut off: " + failure.getMessage()),
                        failure);
    }

    private void end(Runnable outcome) {
        if (own) {
            tasks.end(ref);
        } else {
            outcome.run();
        }
    }

    private void fail(StreamedExchange exchange, StorageException failure) throws IOException {
        LOG.info("a transfer failed: {} {}", failure.sentence(), failure.params());
        end(() -> tasks.complete(ref, failure));
        if (!exchange.hasResponded()) {
            Failures.refuse(exchange, failure, Map.of(HEADER, ref));
        } else {
            // What was announced does not come; the end of the connection says so.
            exchange.abort();
        }
    }
}
