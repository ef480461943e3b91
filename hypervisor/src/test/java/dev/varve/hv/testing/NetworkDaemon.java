// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.daemon.Settings;
import dev.varve.hv.daemon.VarveDaemon;
import dev.varve.hv.http.HttpServer;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.StorageEngineFactory;
import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;

import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A daemon on real time that listens on free ports of the loopback address. */
public final class NetworkDaemon implements AutoCloseable {
    /** The password of its user. */
    public static final String PASSWORD = "correct horse";

    public final VarveDaemon daemon;
    private final String session;

    /** Starts a daemon on storage in memory. */
    public NetworkDaemon(Path home, FakeStorage storage) throws IOException {
        this(home, new Drivers(List.of(storage.driver())), _ -> storage.engine());
    }

    /** Starts a daemon. */
    public NetworkDaemon(Path home, Drivers drivers, StorageEngineFactory engine)
            throws IOException {
        Files.writeString(
                home.resolve(Settings.FILE),
                """
                api.https=127.0.0.1:0
                api.http=127.0.0.1:0
                nbd.tls=off
                """);
        daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                Clock.system(),
                                RandomSource.secure(),
                                Scheduler.system("test-scheduler"),
                                drivers,
                                engine));
        session =
                (String)
                        daemon.dispatcher()
                                .call(
                                        Caller.LOCAL,
                                        "session.login_with_password",
                                        List.of("root", ""));
        call("session.change_password", "", PASSWORD);
    }

    /** Calls a method as the owner of the socket. */
    public Object call(String method, Object... args) {
        List<Object> params = new ArrayList<>();
        params.add(session);
        params.addAll(List.of(args));
        return daemon.dispatcher().call(Caller.LOCAL, method, params);
    }

    /** The port of {@code http} or {@code https}. */
    public int port(String scheme) {
        return listener(scheme).port();
    }

    /** What listens for {@code http} or {@code https}. */
    public HttpServer.Listener listener(String scheme) {
        return daemon.listeners().stream()
                .filter(listener -> listener.describe().contains(" " + scheme + "://"))
                .findFirst()
                .orElseThrow();
    }

    /** The address of {@code http} or {@code https}, without a path. */
    public String address(String scheme) {
        return scheme + "://localhost:" + port(scheme);
    }

    /** The certificate of the host. */
    public Path certificate() {
        return daemon.home().resolve("tls").resolve("host.crt");
    }

    /** TLS for clients that believe the certificate of the host. */
    public SSLContext trusting() throws GeneralSecurityException, IOException {
        return trusting(daemon.home());
    }

    /** TLS for clients that believe the certificate of a daemon. */
    public static SSLContext trusting(Path home) throws GeneralSecurityException, IOException {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        byte[] pem = Files.readAllBytes(home.resolve("tls").resolve("host.crt"));
        trusted.setCertificateEntry(
                "host",
                CertificateFactory.getInstance("X.509")
                        .generateCertificate(new ByteArrayInputStream(pem)));
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    @Override
    public void close() {
        daemon.close();
    }
}
