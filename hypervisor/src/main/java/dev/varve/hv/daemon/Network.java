// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.http.HttpLimits;
import dev.varve.hv.http.HttpServer;
import dev.varve.hv.nbd.NbdAccess;
import dev.varve.hv.nbd.NbdEndpoint;
import dev.varve.hv.storage.StorageEngine;
import dev.varve.hv.tls.HostCertificate;
import dev.varve.hv.xenapi.Passwords;
import dev.varve.vdi.StorageException;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

import javax.net.ssl.SSLContext;

/**
 * What the daemon listens on beyond its socket files: nothing until a password is set, and nothing
 * again when it is removed. An address that cannot be had is no reason to stop; the status says so.
 *
 * <p><b>Threads:</b> any.
 */
final class Network implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Network.class);

    private final Settings settings;
    private final Passwords passwords;
    private final HostCertificate certificate;
    private final HttpServer server;
    private final StorageEngine engine;
    private final NbdAccess access;
    private final List<AutoCloseable> open = new ArrayList<>();
    private final List<String> failures = new ArrayList<>();
    private Optional<InetSocketAddress> nbdTls = Optional.empty();
    private boolean closed;

    Network(
            Settings settings,
            Passwords passwords,
            HostCertificate certificate,
            HttpServer server,
            StorageEngine engine,
            NbdAccess access) {
        this.settings = settings;
        this.passwords = passwords;
        this.certificate = certificate;
        this.server = server;
        this.engine = engine;
        this.access = access;
    }

    /** Begins to follow whether there is a password. */
    void start() {
        passwords.onChange(this::follow);
        follow();
    }

    private synchronized void follow() {
        if (closed) {
            return;
        }
        if (!passwords.isSet()) {
            stopListening();
        } else if (open.isEmpty()) {
            listen();
        }
    }

    private void listen() {
        failures.clear();
        try {
            SSLContext tls = certificate.context();
            listen(settings.apiHttps(), Optional.of(tls));
            listen(settings.apiHttp(), Optional.empty());
            // A context of its own: NBD bounds how many TLS sessions are remembered in it.
            nbdTls = serve(settings.nbdTls(), Optional.of(certificate.context()));
            serve(settings.nbdTcp(), Optional.empty());
        } catch (IOException e) {
            fail(e);
        }
    }

    private void listen(Optional<InetSocketAddress> address, Optional<SSLContext> tls) {
        if (address.isEmpty()) {
            return;
        }
        try {
            HttpServer.Listener listener = server.listen(address.get(), tls, HttpLimits.NETWORK);
            open.add(listener);
            LOG.info("{}", listener.describe());
        } catch (IOException e) {
            fail(e);
        }
    }

    private Optional<InetSocketAddress> serve(
            Optional<InetSocketAddress> address, Optional<SSLContext> tls) {
        if (address.isEmpty()) {
            return Optional.empty();
        }
        try {
            InetSocketAddress bound = engine.serveNbd(new NbdEndpoint(address.get(), tls, access));
            open.add(() -> engine.stopNbd(bound));
            LOG.info("NBD on {}{}", bound, tls.isPresent() ? " with TLS" : "");
            return Optional.of(bound);
        } catch (StorageException e) {
            fail(e);
            return Optional.empty();
        }
    }

    /** Where disks are served over NBD with TLS, if they are. */
    synchronized Optional<InetSocketAddress> nbdTls() {
        return nbdTls;
    }

    private void fail(Exception failure) {
        LOG.error("the network is not served as it should be", failure);
        failures.add("network: " + failure.getMessage());
    }

    private void stopListening() {
        failures.clear();
        for (AutoCloseable part : open) {
            try {
                part.close();
            } catch (Exception e) {
                LOG.error("a listener could not be closed", e);
            }
        }
        open.clear();
        nbdTls = Optional.empty();
    }

    /** Where it listens, or why not, one line each. */
    synchronized List<String> describe() {
        List<String> lines = new ArrayList<>();
        server.listeners().forEach(listener -> lines.add(listener.describe()));
        lines.addAll(failures);
        if (!passwords.isSet()) {
            lines.add("network: off, because no password is set (varve passwd)");
        }
        return lines;
    }

    @Override
    public synchronized void close() {
        closed = true;
        stopListening();
    }
}
