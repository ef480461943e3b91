// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;

import javax.net.ssl.X509TrustManager;

/**
 * The certificates of the hosts that the user has talked to, in a file of lines {@code HOST:PORT
 * SHA256}. A host that is new is believed and written down; one that shows another certificate than
 * the last time is not believed. Names of hosts are the same in any case of letters.
 */
final class KnownHosts {
    private static final Set<PosixFilePermission> ONLY_THE_USER =
            PosixFilePermissions.fromString("rw-------");

    private final Path file;
    private final PrintStream notes;

    KnownHosts(Path file, PrintStream notes) {
        this.file = file;
        this.notes = notes;
    }

    /** A host shows another certificate than before, or what it showed before is not known. */
    static final class StrangerException extends IOException {
        private static final long serialVersionUID = 1L;

        StrangerException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** Looks at the certificate of one host. */
    Witness witness(String host, int port) {
        return new Witness(host.toLowerCase(Locale.ROOT) + ":" + port);
    }

    private String recorded(String name) throws IOException {
        List<String> lines;
        try {
            lines = Files.readAllLines(file, StandardCharsets.UTF_8);
        } catch (NoSuchFileException e) {
            return "";
        }
        for (String line : lines) {
            if (line.startsWith(name + " ")) {
                return line.substring(name.length() + 1).strip();
            }
        }
        return "";
    }

    private void record(String name, String fingerprint) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        String begin = endsInTheMiddleOfALine() ? "\n" : "";
        byte[] line = (begin + name + " " + fingerprint + "\n").getBytes(StandardCharsets.UTF_8);
        // Whoever could write to it could make the user believe a stranger.
        try (SeekableByteChannel channel =
                Files.newByteChannel(
                        file,
                        Set.of(StandardOpenOption.CREATE, StandardOpenOption.APPEND),
                        PosixFilePermissions.asFileAttribute(ONLY_THE_USER))) {
            channel.write(ByteBuffer.wrap(line));
        }
        notes.println("xe: " + name + " is new; its certificate is " + fingerprint);
    }

    private boolean endsInTheMiddleOfALine() throws IOException {
        if (Files.notExists(file)) {
            return false;
        }
        byte[] content = Files.readAllBytes(file);
        return content.length > 0 && content[content.length - 1] != '\n';
    }

    /** Decides about the certificate of one host. */
    final class Witness implements X509TrustManager {
        private final String name;
        private StrangerException doubt;

        private Witness(String name) {
            this.name = name;
        }

        /** Says why the handshake was ended, if it was because of the certificate. */
        void throwIfInDoubt() throws StrangerException {
            if (doubt != null) {
                throw doubt;
            }
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String kind)
                throws CertificateException {
            throw new CertificateException("this is a client");
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String kind)
                throws CertificateException {
            try {
                String shown = fingerprint(chain[0]);
                String known = recorded(name);
                if (known.isEmpty()) {
                    record(name, shown);
                } else if (!known.equals(shown)) {
                    throw new StrangerException(
                            name
                                    + " shows another certificate than before ("
                                    + shown
                                    + "): somebody may be between you and it. If its"
                                    + " certificate was renewed, remove its line from "
                                    + file,
                            null);
                }
            } catch (StrangerException e) {
                throw doubt(e);
            } catch (IOException e) {
                throw doubt(
                        new StrangerException(
                                "cannot look " + name + " up in " + file + ": " + e.getMessage(),
                                e));
            }
        }

        /** Keeps the reason: TLS hides it behind one of its own. */
        private CertificateException doubt(StrangerException reason) {
            doubt = reason;
            return new CertificateException(reason);
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    private static String fingerprint(X509Certificate certificate) throws CertificateException {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded()));
        } catch (GeneralSecurityException e) {
            throw new CertificateException(e);
        }
    }
}
