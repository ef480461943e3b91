// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;

import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A certificate for 127.0.0.1 and localhost under an authority of its own, made with the JDK's
 * keytool.
 */
final class TestCertificate {
    private static final String PASSWORD = "not-a-secret";

    /** For the server. */
    final SSLContext server;

    /** For a client that trusts the authority. */
    final SSLContext client;

    /** A directory with the authority's certificate as {@code ca-cert.pem}. */
    final Path directory;

    TestCertificate(Path directory) throws Exception {
        this.directory = directory;
        Path store = directory.resolve("keys.p12");
        Path authority = directory.resolve("ca-cert.pem");
        keytool(
                store,
                "-genkeypair -alias ca -keyalg EC -groupname secp256r1 -dname CN=Test -validity 30"
                        + " -ext bc:c=ca:true -ext ku:c=keyCertSign,cRLSign");
        keytool(
                store,
                "-genkeypair -alias server -signer ca -keyalg EC -groupname secp256r1"
                        + " -dname CN=localhost -validity 30 -ext ku:c=digitalSignature"
                        + " -ext eku=serverAuth -ext san=dns:localhost,ip:127.0.0.1");
        keytool(store, "-exportcert -rfc -alias ca -file " + authority);
        KeyStore all = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(store)) {
            all.load(in, PASSWORD.toCharArray());
        }
        server = serverContext(all);
        client = clientContext(all);
    }

    private static void keytool(Path store, String arguments)
            throws IOException, InterruptedException {
        String command =
                Path.of(System.getProperty("java.home"), "bin", "keytool")
                        + " -storetype PKCS12 -storepass "
                        + PASSWORD
                        + " -keystore "
                        + store
                        + " ";
        Tool.run((command + arguments).split(" ", -1));
    }

    private static SSLContext serverContext(KeyStore all)
            throws GeneralSecurityException, IOException {
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        own.setKeyEntry(
                "server",
                all.getKey("server", PASSWORD.toCharArray()),
                PASSWORD.toCharArray(),
                all.getCertificateChain("server"));
        KeyManagerFactory keys =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, PASSWORD.toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }

    private static SSLContext clientContext(KeyStore all)
            throws GeneralSecurityException, IOException {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", all.getCertificate("ca"));
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
