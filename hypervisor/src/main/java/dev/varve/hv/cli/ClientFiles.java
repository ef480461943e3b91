// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xe.CliWire;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.concurrent.CompletionException;

/**
 * Files of the client, which it fetches and sends itself, over HTTP; a task tells how the daemon's
 * side of that ended.
 *
 * <p><b>Threads:</b> that of the connection.
 */
final class ClientFiles {
    private final Tasks tasks;
    private final InputStream in;
    private final OutputStream out;

    ClientFiles(Tasks tasks, InputStream in, OutputStream out) {
        this.tasks = tasks;
        this.in = in;
        this.out = out;
    }

    /**
     * Has the client fetch something into a file.
     *
     * @param path of the daemon, with a query
     * @param label of the task
     */
    void fetch(CliSession session, String file, String path, String label) {
        transfer(session, CliWire.HTTP_GET, file, path, label);
    }

    /** Has the client send a file. */
    void send(CliSession session, String file, String path, String label) {
        transfer(session, CliWire.HTTP_PUT, file, path, label);
    }

    private void transfer(CliSession session, int command, String file, String path, String label) {
        String task = (String) session.call("task.create", label, "");
        try {
            String full = path + "&session_id=" + session.session() + "&task_id=" + task;
            boolean done = ask(command, file, full);
            tasks.abandon(task);
            tasks.whenOver(task).join();
            Optional<StorageException> failure = tasks.failure(task);
            if (failure.isPresent()) {
                throw failure.get();
            }
            if (!done) {
                throw UsageException.failure("nothing was transferred");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (CompletionException e) {
            throw new IllegalStateException("a task has no end", e);
        } finally {
            destroy(session, task);
        }
    }

    /** Somebody else may have destroyed it. */
    private static void destroy(CliSession session, String task) {
        try {
            session.call("task.destroy", task);
        } catch (StorageException e) {
            if (e.code() != ErrorCode.HANDLE_INVALID) {
                throw e;
            }
        }
    }

    private boolean ask(int command, String file, String path) throws IOException {
        new CliWire.Writer(CliWire.COMMAND, command).text(file).text(path).send(out);
        while (true) {
            CliWire.Reader frame = CliWire.Reader.next(in);
            int kind = frame.number();
            int tag = frame.number();
            if (kind != CliWire.RESPONSE) {
                throw new IOException("the client sent a message of kind " + kind);
            }
            if (tag != CliWire.WAIT) {
                return tag == CliWire.OK;
            }
        }
    }
}
