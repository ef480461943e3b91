// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.time.Threads;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;

import javax.net.ssl.SSLContext;

/**
 * Serves disks over NBD: on a UNIX socket that only the owner of the daemon can open, and at
 * addresses in the network.
 *
 * <p><b>Threads:</b> any; accepting and negotiating runs on the lane that was given.
 */
public final class NbdServer implements AutoCloseable, NbdHandshake.Exports {
    /** What a listener in the network bears if nothing else is said. */
    static final NbdListener.Limits NETWORK_LIMITS =
            new NbdListener.Limits(500, 64, NbdConnection.Patience.USUAL);

    private static final int BACKLOG = 128;
    private static final NbdListener.Limits UNIX_LIMITS =
            new NbdListener.Limits(1000, 1000, NbdConnection.Patience.USUAL);
    private static final int TLS_THREADS = 2;
    private static final int REMEMBERED_SESSIONS = 1000;

    private final Path socket;
    private final Lane lane;
    private final Map<String, NbdExport> exports = new ConcurrentSkipListMap<>();
    private final List<NbdListener> listeners = new CopyOnWriteArrayList<>();
    private final Map<InetSocketAddress, NbdListener> network = new ConcurrentHashMap<>();
    private final ExecutorService tlsWorkers = Threads.computePool("nbd-tls-", TLS_THREADS);

    /**
     * Opens the UNIX socket and begins to accept.
     *
     * @param lane where connections are accepted and negotiate
     */
    public NbdServer(Path socket, Lane lane) {
        this.socket = socket;
        this.lane = lane;
        NbdListener.Offer offer =
                new NbdListener.Offer(
                        socket.toString(),
                        false,
                        this,
                        NbdSecurity.none(NbdHandshake.Tls.NOT_KNOWN),
                        UNIX_LIMITS);
        listeners.add(new NbdListener(offer, listen(socket), lane));
    }

    /**
     * Listens at an address in the network and begins to accept.
     *
     * @return the address, with the port that was chosen
     * @throws dev.varve.vdi.StorageException {@code SR_GENERAL} when it cannot be listened at
     */
    public InetSocketAddress listen(NbdEndpoint endpoint) {
        return listen(endpoint, NETWORK_LIMITS);
    }

    InetSocketAddress listen(NbdEndpoint endpoint, NbdListener.Limits limits) {
        InetSocketAddress wanted = endpoint.address();
        int fd = Libc.listenTcp(wanted.getAddress(), wanted.getPort(), BACKLOG);
        if (fd < 0) {
            throw ErrorCode.SR_GENERAL.because(
                    "cannot listen on " + wanted + ": " + Libc.errorName(fd));
        }
        InetSocketAddress bound = new InetSocketAddress(wanted.getAddress(), Libc.localPort(fd));
        NbdListener.Offer offer =
                new NbdListener.Offer(
                        name(bound),
                        true,
                        new AccessibleExports(endpoint.access()),
                        endpoint.tls()
                                .map(this::security)
                                .orElse(NbdSecurity.none(NbdHandshake.Tls.REFUSED)),
                        limits);
        NbdListener listener = new NbdListener(offer, fd, lane);
        listeners.add(listener);
        network.put(bound, listener);
        return bound;
    }

    /**
     * Listens at an address no longer, and ends the connections that came to it.
     *
     * @param address as {@link #listen} gave it; another one is not an error
     */
    public void stop(InetSocketAddress address) {
        NbdListener listener = network.remove(address);
        if (listener != null) {
            listeners.remove(listener);
            listener.close(exports.values());
        }
    }

    private static String name(InetSocketAddress address) {
        String host = address.getAddress().getHostAddress();
        boolean six = address.getAddress() instanceof Inet6Address;
        return (six ? "[" + host + "]" : host) + ":" + address.getPort();
    }

    /** A client can make sessions as fast as it connects; the JDK would remember 20,000 of them. */
    private NbdSecurity security(SSLContext context) {
        context.getServerSessionContext().setSessionCacheSize(REMEMBERED_SESSIONS);
        return NbdSecurity.required(context, tlsWorkers);
    }

    /** What may be asked for at an address in the network; there is no list and no default. */
    private final class AccessibleExports implements NbdHandshake.Exports {
        private final NbdAccess access;

        AccessibleExports(NbdAccess access) {
            this.access = access;
        }

        @Override
        public Optional<NbdExport> find(String name) {
            return access.vdi(name).map(exports::get);
        }

        @Override
        public Optional<List<String>> names() {
            return Optional.empty();
        }
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

    /** How many connections there are, negotiating ones included. */
    public int connectionCount() {
        return listeners.stream().mapToInt(NbdListener::connectionCount).sum();
    }

    /** How each listener does, one line each, for a person. */
    public List<String> describe() {
        return listeners.stream().map(NbdListener::describe).toList();
    }

    /** Serves a disk; the URI is the same each time. */
    public URI export(ActiveVdi vdi) {
        return export(vdi, NbdBitmaps.NONE);
    }

    /** Serves a disk with what is known of its changes; the URI is the same each time. */
    public URI export(ActiveVdi vdi, NbdBitmaps bitmaps) {
        String name = vdi.uuid().toString();
        if (exports.putIfAbsent(name, new NbdExport(name, vdi, bitmaps)) != null) {
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
    public Optional<List<String>> names() {
        return Optional.of(List.copyOf(exports.keySet()));
    }

    /** Ends all connections, closes all listeners and removes the socket. */
    @Override
    public void close() {
        listeners.forEach(NbdListener::close);
        exports.values().forEach(NbdExport::close);
        exports.clear();
        tlsWorkers.shutdown();
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw ErrorCode.SR_GENERAL.because(
                    "cannot remove the socket " + socket + ": " + e.getMessage(), e);
        }
    }
}
