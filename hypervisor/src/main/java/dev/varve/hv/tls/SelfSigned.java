// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.tls;

import dev.varve.vdi.time.RandomSource;

import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * Makes a certificate (RFC 5280, version 3) that is signed with its own key.
 *
 * <pre>
 * Certificate     SEQUENCE { to be signed, algorithm, BIT STRING signature }
 * to be signed    SEQUENCE { [0] version, serial number, algorithm, issuer, validity, subject,
 *                            public key, [3] extensions }
 * extensions      subjectAltName   names and addresses that clients use
 *                 basicConstraints no authority for others, critical
 *                 extendedKeyUsage server
 * </pre>
 */
final class SelfSigned {
    private static final String ALGORITHM = "SHA256withECDSA";
    private static final List<Integer> ECDSA_SHA256 = List.of(1, 2, 840, 10045, 4, 3, 2);
    private static final List<Integer> COMMON_NAME = List.of(2, 5, 4, 3);
    private static final List<Integer> ALTERNATIVE_NAMES = List.of(2, 5, 29, 17);
    private static final List<Integer> BASIC_CONSTRAINTS = List.of(2, 5, 29, 19);
    private static final List<Integer> KEY_USES = List.of(2, 5, 29, 37);
    private static final List<Integer> FOR_SERVERS = List.of(1, 3, 6, 1, 5, 5, 7, 3, 1);

    /** The kind of an alternative name that is a name of DNS. */
    static final int DNS_NAME = 2;

    private static final int ADDRESS = 7;
    private static final int SERIAL_BYTES = 16;
    private static final int LONGEST_COMMON_NAME = 64;

    /** What clocks of clients may be behind. */
    private static final Duration EARLIER = Duration.ofDays(1);

    private SelfSigned() {}

    /**
     * Makes a certificate.
     *
     * @param names of the host, the main one first
     */
    static X509Certificate make(
            KeyPair keys,
            List<String> names,
            List<InetAddress> addresses,
            Instant now,
            Duration validity,
            RandomSource random)
            throws GeneralSecurityException {
        byte[] algorithm = Der.element(Der.SEQUENCE, Der.objectId(ECDSA_SHA256));
        byte[] name = name(names.getFirst());
        byte[] serial = new byte[SERIAL_BYTES];
        random.bytes(serial);
        byte[] signed =
                Der.element(
                        Der.SEQUENCE,
                        Der.element(Der.EXPLICIT, Der.integer(BigInteger.TWO)),
                        Der.integer(new BigInteger(1, serial).setBit(0)),
                        algorithm,
                        name,
                        Der.element(
                                Der.SEQUENCE,
                                Der.time(now.minus(EARLIER)),
                                Der.time(now.plus(validity))),
                        name,
                        keys.getPublic().getEncoded(),
                        Der.element(Der.EXPLICIT | 3, extensions(names, addresses)));
        Signature signature = Signature.getInstance(ALGORITHM);
        signature.initSign(keys.getPrivate());
        signature.update(signed);
        byte[] whole = Der.element(Der.SEQUENCE, signed, algorithm, Der.bits(signature.sign()));
        return (X509Certificate)
                CertificateFactory.getInstance("X.509")
                        .generateCertificate(new ByteArrayInputStream(whole));
    }

    private static byte[] name(String commonName) {
        String fitting =
                commonName.length() > LONGEST_COMMON_NAME
                        ? commonName.substring(0, LONGEST_COMMON_NAME)
                        : commonName;
        return Der.element(
                Der.SEQUENCE,
                Der.element(
                        Der.SET,
                        Der.element(Der.SEQUENCE, Der.objectId(COMMON_NAME), Der.text(fitting))));
    }

    private static byte[] extensions(List<String> names, List<InetAddress> addresses) {
        byte[][] alternatives = new byte[names.size() + addresses.size()][];
        int at = 0;
        for (String name : names) {
            alternatives[at++] =
                    Der.element(Der.IMPLICIT | DNS_NAME, name.getBytes(StandardCharsets.US_ASCII));
        }
        for (InetAddress address : addresses) {
            alternatives[at++] = Der.element(Der.IMPLICIT | ADDRESS, address.getAddress());
        }
        return Der.element(
                Der.SEQUENCE,
                extension(ALTERNATIVE_NAMES, false, Der.element(Der.SEQUENCE, alternatives)),
                extension(BASIC_CONSTRAINTS, true, Der.element(Der.SEQUENCE)),
                extension(KEY_USES, false, Der.element(Der.SEQUENCE, Der.objectId(FOR_SERVERS))));
    }

    private static byte[] extension(List<Integer> id, boolean critical, byte[] content) {
        byte[] octets = Der.element(Der.OCTETS, content);
        return critical
                ? Der.element(Der.SEQUENCE, Der.objectId(id), Der.truth(true), octets)
                : Der.element(Der.SEQUENCE, Der.objectId(id), octets);
    }
}
