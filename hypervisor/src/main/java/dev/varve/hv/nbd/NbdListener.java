// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoOp;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A listening socket and the connections that it has accepted, which are bounded: what comes beyond
 * the limit is closed at once, and when too many negotiate, the one that has done so for the
 * longest time makes way, so that clients that stop in the middle keep nobody out.
 *
 * <p><b>Threads:</b> accepting and negotiating is the lane's; counts can be read by any.
 */
final class NbdListener implements NbdConnection.Owner, AutoCloseable {
    private static final int ACCEPTED_PER_TURN = 64;
    private static final long ACCEPT_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /**
     * How many connections there can be.
     *
     * @param connections in all
     * @param negotiating of them in the negotiation
     * @param patience how long they may take
     */
    record Limits(int connections, int negotiating, NbdConnection.Patience patience) {}

    /**
     * What a listener offers.
     *
     * @param name where it is, for a person
     * @param tcp whether it is in the network
     */
    record Offer(
            String name,
            boolean tcp,
            NbdHandshake.Exports exports,
            NbdSecurity security,
            Limits limits) {}

    private final Offer offer;
    private final Lane lane;
    private final int fd;
    private final IoOp acceptOp = new IoOp(this);
    private final LaneTimer acceptLater = new LaneTimer(this::accept);

    /** The lane's; the oldest first. */
    private final Set<NbdConnection> negotiating = new LinkedHashSet<>();

    private final AtomicInteger connections = new AtomicInteger();
    private final AtomicLong refused = new AtomicLong();
    private final AtomicLong displaced = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private volatile int negotiatingCount;
    private volatile boolean closed;

    /**
     * Begins to accept.
     *
     * @param fd a listening socket, which belongs to the listener from here on
     * @param lane where connections are accepted and negotiate
     */
    NbdListener(Offer offer, int fd, Lane lane) {
        this.offer = offer;
        this.fd = fd;
        this.lane = lane;
        acceptOp.kind = IoOp.Kind.POLL_READABLE;
        acceptOp.socket = fd;
        acceptOp.completion = (op, result) -> accept();
        lane.execute(() -> lane.io().submit(acceptOp));
    }

    /** Takes a bounded number in a turn: the lane has others to serve while many come. */
    private void accept() {
        if (closed) {
            return;
        }
        int client = 0;
        for (int count = 0; count < ACCEPTED_PER_TURN && client >= 0; count++) {
            client = Libc.accept(fd);
            if (client >= 0) {
                accepted(client);
            }
        }
        if (client >= 0 || client == -Libc.EAGAIN || client == -Libc.ECONNABORTED) {
            lane.io().submit(acceptOp);
        } else {
            // Out of descriptors or memory: the socket stays readable, so asking at once would
            // spin.
            lane.schedule(acceptLater, ACCEPT_AGAIN_NANOS);
        }
    }

    private void accepted(int client) {
        if (connections.get() >= offer.limits().connections()) {
            refused.incrementAndGet();
            Libc.close(client);
            return;
        }
        if (offer.tcp() && Libc.tuneTcp(client) < 0) {
            Libc.close(client); // it has gone already
            return;
        }
        if (negotiating.size() >= offer.limits().negotiating()) {
            NbdConnection oldest = negotiating.iterator().next();
            displaced.incrementAndGet();
            negotiated(oldest);
            oldest.terminate();
        }
        NbdConnection connection =
                new NbdConnection(
                        NbdSocket.of(client),
                        offer.exports(),
                        offer.security(),
                        offer.limits().patience(),
                        this);
        connections.incrementAndGet();
        negotiating.add(connection);
        negotiatingCount = negotiating.size();
        connection.start(lane);
    }

    @Override
    public void negotiated(NbdConnection connection) {
        negotiating.remove(connection);
        negotiatingCount = negotiating.size();
    }

    @Override
    public void closed(NbdConnection connection) {
        connections.decrementAndGet();
    }

    @Override
    public void tlsFailed(NbdConnection connection) {
        failed.incrementAndGet();
    }

    /** How many connections there are, negotiating ones included. */
    int connectionCount() {
        return connections.get();
    }

    /** How it does, for a person. */
    String describe() {
        boolean tls = offer.security().tls() == NbdHandshake.Tls.REQUIRED;
        return "nbd at %s, %s: %d of %d connections, %d of %d negotiating, %d refused, %d displaced%s"
                .formatted(
                        offer.name(),
                        tls ? "TLS" : "plain",
                        connections.get(),
                        offer.limits().connections(),
                        negotiatingCount,
                        offer.limits().negotiating(),
                        refused.get(),
                        displaced.get(),
                        tls ? ", " + failed.get() + " TLS handshakes failed" : "");
    }

    /** Accepts no more and ends the connections that negotiate; those of disks end with them. */
    @Override
    public void close() {
        close(List.of());
    }

    /** Accepts no more and ends its connections, those of the given disks included. */
    void close(Collection<NbdExport> exports) {
        closed = true;
        // Connections go over to their disk on this lane, so none is missed between the two.
        lane.execute(
                () -> {
                    List.copyOf(negotiating).forEach(NbdConnection::terminate);
                    exports.forEach(export -> export.closeThoseOf(this));
                });
        Libc.shutdown(fd);
        Libc.close(fd);
    }
}
