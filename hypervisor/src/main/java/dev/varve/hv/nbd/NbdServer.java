// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoOp;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;

/**
 * Serves disks over NBD on a UNIX socket that only the owner of the daemon can open.
 *
 * <p><b>Threads:</b> any; accepting and negotiating runs on the lane that was given.
 */
public final class NbdServer implements AutoCloseable, NbdHandshake.Exports {
    private static final int BACKLOG = 128;
    private static final int MOST_CONNECTIONS = 1000;
    private static final long ACCEPT_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Path socket;
    private final Lane lane;
    private final int fd;
    private final Map<String, NbdExport> exports = new ConcurrentSkipListMap<>();
    private final Set<NbdConnection> negotiating = ConcurrentHashMap.newKeySet();
    private final IoOp acceptOp = new IoOp(this);
    private final LaneTimer acceptLater = new LaneTimer(this::accept);
    private volatile boolean closed;

    /**
     * Opens the socket and begins to accept.
     *
     * @param lane where connections are accepted and negotiate
     */
    public NbdServer(Path socket, Lane lane) {
        this.socket = socket;
        this.lane = lane;
        this.fd = listen(socket);
        acceptOp.kind = IoOp.Kind.POLL_READABLE;
        acceptOp.socket = fd;
        acceptOp.completion = (op, result) -> accept();
        lane.execute(() -> lane.io().submit(acceptOp));
    }

    private static int listen(Path socket) {
        try {
            Files.deleteIfExists(socket);
            int fd = Libc.listenUnix(socket.toString(), BACKLOG);
            if (fd < 0) {
                throw ErrorCode.SR_GENERAL.because(
                        "cannot listen on " + socket + ": " + Libc.errorName(fd));
            }
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
            return fd;
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because(
                    "cannot make the socket " + socket + ": " + e.getMessage(), e);
        } catch (IllegalArgumentException e) {
            throw ErrorCode.SR_GENERAL.because(
                    e.getMessage() + "; choose a shorter home directory", e);
        }
    }

    private void accept() {
        if (closed) {
            return;
        }
        int client = Libc.accept(fd);
        for (; client >= 0; client = Libc.accept(fd)) {
            if (connectionCount() >= MOST_CONNECTIONS) {
                Libc.close(client);
            } else {
                NbdConnection connection =
                        new NbdConnection(NbdSocket.of(client), this, negotiating::remove);
                negotiating.add(connection);
                connection.start(lane);
            }
        }
        if (client == -Libc.EAGAIN || client == -Libc.ECONNABORTED) {
            lane.io().submit(acceptOp);
        } else {
            // Out of descriptors or memory: the socket stays readable, so asking at once would
            // spin.
            lane.schedule(acceptLater, ACCEPT_AGAIN_NANOS);
        }
    }

    /** How many connections there are, negotiating ones included. */
    public int connectionCount() {
        return negotiating.size()
                + exports.values().stream().mapToInt(NbdExport::connectionCount).sum();
    }

    /** Serves a disk; the URI is the same each time. */
    public URI export(ActiveVdi vdi) {
        String name = vdi.uuid().toString();
        if (exports.putIfAbsent(name, new NbdExport(name, vdi)) != null) {
            throw new IllegalArgumentException("the disk " + name + " is served already");
        }
        return uri(vdi.uuid());
    }

    /** Under which URI a disk is served. */
    public URI uri(UUID vdi) {
        String path = socket.toString().replace("%", "%25").replace(" ", "%20").replace("&", "%26");
        return URI.create("nbd+unix:///" + vdi + "?socket=" + path);
    }

    /** Ends the connections of a disk and serves it no longer. */
    public void unexport(UUID vdi) {
        NbdExport export = exports.remove(vdi.toString());
        if (export != null) {
            export.close();
        }
    }

    @Override
    public Optional<NbdExport> find(String name) {
        if (name.isEmpty() && exports.size() == 1) {
            return exports.values().stream().findFirst();
        }
        return Optional.ofNullable(exports.get(name));
    }

    @Override
    public List<String> names() {
        return List.copyOf(exports.keySet());
    }

    /** Ends all connections and removes the socket. */
    @Override
    public void close() {
        closed = true;
        exports.values().forEach(NbdExport::close);
        exports.clear();
        lane.execute(() -> negotiating.forEach(NbdConnection::terminate));
        Libc.shutdown(fd);
        Libc.close(fd);
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because(
                    "cannot remove the socket " + socket + ": " + e.getMessage(), e);
        }
    }
}
