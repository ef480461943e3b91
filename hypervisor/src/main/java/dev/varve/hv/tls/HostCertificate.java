// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.tls;

import dev.varve.vdi.time.RandomSource;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;

import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * The key and the certificate of this host. They are two files, so that an administrator can put
 * others in their place; when neither is there, a certificate is made that is signed with its own
 * key.
 *
 * <table>
 * <caption>Files</caption>
 * <tr><td>{@code host.key}</td><td>the key, PKCS#8 in PEM, for its owner only</td></tr>
 * <tr><td>{@code host.crt}</td><td>the certificate, and those that signed it, in PEM</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any.
 */
public final class HostCertificate {
    private static final String KEY_BEGIN = "-----BEGIN PRIVATE KEY-----";
    private static final String KEY_END = "-----END PRIVATE KEY-----";
    private static final Duration VALIDITY = Duration.ofDays(3650);
    private static final List<String> KEY_ALGORITHMS = List.of("EC", "RSA", "Ed25519");

    private final PrivateKey key;
    private final List<X509Certificate> chain;

    private HostCertificate(PrivateKey key, List<X509Certificate> chain) {
        this.key = key;
        this.chain = List.copyOf(chain);
    }

    /**
     * Reads the files, or makes them.
     *
     * @param hostName the name that clients know the host by
     * @throws IOException when a file is damaged or only one of them is there; it says which
     */
    public static HostCertificate open(
            Path directory, String hostName, Instant now, RandomSource random) throws IOException {
        Path keyFile = directory.resolve("host.key");
        Path certificateFile = directory.resolve("host.crt");
        Files.createDirectories(directory);
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
        boolean hasKey = Files.exists(keyFile);
        if (hasKey != Files.exists(certificateFile)) {
            throw new IOException(
                    (hasKey ? certificateFile : keyFile)
                            + " is missing: put it there, or remove "
                            + (hasKey ? keyFile : certificateFile)
                            + " to have a new certificate made");
        }
        if (!hasKey) {
            make(keyFile, certificateFile, hostName, now, random);
        }
        return read(keyFile, certificateFile);
    }

    private static void make(
            Path keyFile, Path certificateFile, String hostName, Instant now, RandomSource random)
            throws IOException {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            KeyPair keys = generator.generateKeyPair();
            X509Certificate certificate =
                    SelfSigned.make(keys, names(hostName), addresses(), now, VALIDITY, random);
            // The key last: a crash between the two leaves a state that says what to do.
            write(certificateFile, pem("CERTIFICATE", certificate.getEncoded()), "rw-r--r--");
            write(keyFile, pem("PRIVATE KEY", keys.getPrivate().getEncoded()), "rw-------");
        } catch (GeneralSecurityException e) {
            throw new IOException("cannot make a certificate: " + e.getMessage(), e);
        }
    }

    private static List<String> names(String hostName) {
        // What is no name of DNS cannot be in a certificate.
        boolean fits = hostName.matches("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?");
        return fits && !hostName.equals("localhost")
                ? List.of(hostName, "localhost")
                : List.of("localhost");
    }

    private static List<InetAddress> addresses() throws IOException {
        return List.of(
                InetAddress.getByAddress(new byte[] {127, 0, 0, 1}),
                InetAddress.getByAddress(
                        new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    }

    private static void write(Path file, String text, String permissions) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        Files.deleteIfExists(next);
        Files.createFile(
                next,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions)));
        Files.writeString(next, text, StandardCharsets.US_ASCII);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static String pem(String kind, byte[] content) {
        byte[] lineEnd = {'\n'};
        return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
                .formatted(kind, Base64.getMimeEncoder(64, lineEnd).encodeToString(content), kind);
    }

    private static HostCertificate read(Path keyFile, Path certificateFile) throws IOException {
        List<X509Certificate> chain = new ArrayList<>();
        try {
            for (Certificate certificate :
                    CertificateFactory.getInstance("X.509")
                            .generateCertificates(
                                    new ByteArrayInputStream(
                                            Files.readAllBytes(certificateFile)))) {
                chain.add((X509Certificate) certificate);
            }
        } catch (GeneralSecurityException e) {
            throw new IOException(certificateFile + " is no certificate: " + e.getMessage(), e);
        }
        if (chain.isEmpty()) {
            throw new IOException(certificateFile + " holds no certificate");
        }
        PrivateKey key = readKey(keyFile);
        if (!belongs(key, chain.getFirst())) {
            throw new IOException(
                    "the key in "
                            + keyFile
                            + " does not belong to the first certificate in "
                            + certificateFile);
        }
        return new HostCertificate(key, chain);
    }

    /** Whether the certificate's key verifies what the key signs. */
    private static boolean belongs(PrivateKey key, X509Certificate certificate) throws IOException {
        String algorithm =
                switch (key.getAlgorithm()) {
                    case "EC" -> "SHA256withECDSA";
                    case "RSA" -> "SHA256withRSA";
                    default -> key.getAlgorithm();
                };
        if (!certificate.getPublicKey().getAlgorithm().equals(key.getAlgorithm())) {
            return false;
        }
        try {
            Signature signature = Signature.getInstance(algorithm);
            signature.initSign(key);
            byte[] signed = signature.sign();
            signature.initVerify(certificate.getPublicKey());
            return signature.verify(signed);
        } catch (GeneralSecurityException e) {
            throw new IOException("the key of the host cannot be used: " + e.getMessage(), e);
        }
    }

    private static PrivateKey readKey(Path file) throws IOException {
        String text = Files.readString(file, StandardCharsets.US_ASCII);
        int begin = text.indexOf(KEY_BEGIN);
        int end = text.indexOf(KEY_END);
        if (begin < 0 || end < begin) {
            throw new IOException(
                    file + " holds no key in the form of PKCS#8 (\"" + KEY_BEGIN + "\")");
        }
        byte[] encoded;
        try {
            encoded =
                    Base64.getMimeDecoder().decode(text.substring(begin + KEY_BEGIN.length(), end));
        } catch (IllegalArgumentException e) {
            throw new IOException(file + " is damaged: " + e.getMessage(), e);
        }
        GeneralSecurityException last = null;
        for (String algorithm : KEY_ALGORITHMS) {
            try {
                return KeyFactory.getInstance(algorithm)
                        .generatePrivate(new PKCS8EncodedKeySpec(encoded));
            } catch (GeneralSecurityException e) {
                last = e;
            }
        }
        throw new IOException(file + " holds no key that can be used: " + last.getMessage(), last);
    }

    /** What servers on the network use. */
    public SSLContext context() throws IOException {
        try {
            char[] none = new char[0];
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, none);
            store.setKeyEntry("host", key, none, chain.toArray(Certificate[]::new));
            KeyManagerFactory keys =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, none);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), null, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException(
                    "the key and the certificate of the host cannot be used: " + e.getMessage(), e);
        }
    }

    /** The certificate of the host, in PEM. */
    public String pem() throws IOException {
        try {
            return pem("CERTIFICATE", chain.getFirst().getEncoded());
        } catch (GeneralSecurityException e) {
            throw new IOException("the certificate cannot be encoded: " + e.getMessage(), e);
        }
    }

    /** Whom the certificate names: its first name of DNS, or else its whole subject. */
    public String subject() throws IOException {
        try {
            var names = chain.getFirst().getSubjectAlternativeNames();
            if (names != null) {
                for (List<?> name : names) {
                    if (name.getFirst().equals(SelfSigned.DNS_NAME)) {
                        return (String) name.get(1);
                    }
                }
            }
            return chain.getFirst().getSubjectX500Principal().getName();
        } catch (GeneralSecurityException e) {
            throw new IOException("the certificate is damaged: " + e.getMessage(), e);
        }
    }

    /** The SHA-256 of the certificate, in hexadecimal, by which people compare it. */
    public String fingerprint() throws IOException {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(chain.getFirst().getEncoded()));
        } catch (GeneralSecurityException e) {
            throw new IOException("the certificate cannot be encoded: " + e.getMessage(), e);
        }
    }
}
