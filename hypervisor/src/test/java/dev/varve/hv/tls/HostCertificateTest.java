// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.List;

final class HostCertificateTest {
    private static final Instant NOW = Instant.parse("2026-02-03T04:05:06Z");

    @TempDir Path directory;

    private HostCertificate open(String name) throws IOException {
        return HostCertificate.open(directory, name, NOW, RandomSource.secure());
    }

    @Test
    void makesACertificateOnceThatTheJdkReads() throws Exception {
        HostCertificate made = open("host-1.example");
        X509Certificate read =
                (X509Certificate)
                        CertificateFactory.getInstance("X.509")
                                .generateCertificate(
                                        new ByteArrayInputStream(
                                                made.pem().getBytes(StandardCharsets.US_ASCII)));
        read.verify(read.getPublicKey());
        assertEquals("CN=host-1.example", read.getSubjectX500Principal().getName());
        assertEquals(-1, read.getBasicConstraints(), "no authority for others");
        assertEquals(
                List.of("host-1.example", "localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"),
                read.getSubjectAlternativeNames().stream().map(name -> name.get(1)).toList());
        assertTrue(read.getNotBefore().toInstant().isBefore(NOW));
        assertTrue(read.getNotAfter().toInstant().isAfter(NOW.plusSeconds(9L * 365 * 86400)));
        assertEquals(made.fingerprint(), open("another").fingerprint());
        assertEquals(64, made.fingerprint().length());
    }

    @Test
    void namesNoHostThatIsNoName() throws Exception {
        assertEquals("localhost", open("a host").subject());
    }

    @Test
    void saysWhichFileIsMissingOrDamaged() throws Exception {
        open("a");
        Path key = directory.resolve("host.key");
        Path certificate = directory.resolve("host.crt");
        String kept = Files.readString(key);
        for (String broken :
                List.of(
                        "",
                        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")) {
            Files.writeString(key, broken);
            IOException refused = assertThrows(IOException.class, () -> open("a"));
            assertTrue(refused.getMessage().contains("host.key"), refused.getMessage());
        }
        Files.writeString(key, kept);
        Files.writeString(certificate, "nothing");
        assertTrue(
                assertThrows(IOException.class, () -> open("a")).getMessage().contains("host.crt"));
        Files.delete(certificate);
        IOException refused = assertThrows(IOException.class, () -> open("a"));
        assertTrue(refused.getMessage().contains("host.crt is missing"), refused.getMessage());
    }

    @Test
    void refusesAKeyThatIsNotTheCertificates(@org.junit.jupiter.api.io.TempDir Path other)
            throws Exception {
        open("a");
        HostCertificate.open(other, "b", NOW, RandomSource.secure());
        Files.copy(
                other.resolve("host.key"),
                directory.resolve("host.key"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        IOException refused = assertThrows(IOException.class, () -> open("a"));
        assertTrue(refused.getMessage().contains("does not belong"), refused.getMessage());
    }
}
