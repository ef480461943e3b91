// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.storage.ChainSettings;
import dev.varve.hv.storage.RepositorySpace;
import dev.varve.vdi.filter.RoomWatch;

import java.io.IOException;
import java.io.Reader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * What an administrator chose in {@code varve.properties} under the home of the daemon. Without the
 * file, and for keys that are not in it, the defaults hold.
 *
 * <table>
 * <caption>Keys; values of the first four are {@code ADDRESS:PORT}, {@code *:PORT} or {@code off}
 * </caption>
 * <tr><td>{@code api.https}</td><td>the API with TLS; {@code *:443} as root, else {@code *:8443}
 * </td></tr>
 * <tr><td>{@code api.http}</td><td>the API in plain text; {@code 127.0.0.1:80} as root, else {@code
 * 127.0.0.1:8080}</td></tr>
 * <tr><td>{@code nbd.tls}</td><td>disks over NBD with TLS; {@code *:10809}</td></tr>
 * <tr><td>{@code nbd.tcp}</td><td>disks over NBD in plain text; {@code off}</td></tr>
 * <tr><td>{@code storage.when-full}</td><td>what a write does for which a repository has no room:
 * {@code wait} until there is some, or {@code fail}; a repository's {@code other-config:when-full}
 * goes before it; {@code wait}</td></tr>
 * </table>
 *
 * <p>{@code pool.uuid} is the UUID of the pool of hosts that this one belongs to: hosts with the
 * same one may use the same repositories on shared devices. Without it a host keeps the pool that
 * it has; a new one has a pool of its own.
 *
 * <p>No address is listened on before a password is set.
 *
 * <table>
 * <caption>Keys that are numbers</caption>
 * <tr><td>{@code coalesce.quiet-millis}</td><td>how long chains are left alone after a change; 2000
 * </td></tr>
 * <tr><td>{@code coalesce.trees}</td><td>how many trees of a repository are merged at once; 2
 * </td></tr>
 * <tr><td>{@code coalesce.bytes-per-second}</td><td>how fast one merge may copy; 0, no limit
 * </td></tr>
 * </table>
 */
public record Settings(
        Optional<InetSocketAddress> apiHttps,
        Optional<InetSocketAddress> apiHttp,
        Optional<InetSocketAddress> nbdTls,
        Optional<InetSocketAddress> nbdTcp,
        RoomWatch.WhenFull whenFull,
        ChainSettings chains,
        Optional<UUID> pool) {
    /** The name of the file. */
    public static final String FILE = "varve.properties";

    private static final Pattern UUID_FORM =
            Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");

    private static final String OFF = "off";
    private static final int HIGHEST_PORT = 65535;

    private static final int MOST_TREES = 1000;

    /** Enough for hundreds of gigabytes per second. */
    private static final int MOST_DIGITS = 12;

    /**
     * Reads the file.
     *
     * @param root whether the daemon may listen on ports below 1024
     * @throws IOException when the file cannot be read or something in it makes no sense
     */
    public static Settings read(Path home, boolean root) throws IOException {
        Path file = home.resolve(FILE);
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            properties.load(reader);
        } catch (NoSuchFileException e) {
            // Nothing was chosen.
            properties.clear();
        } catch (IllegalArgumentException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
        Settings settings =
                new Settings(
                        take(file, properties, "api.https", root ? "*:443" : "*:8443"),
                        take(file, properties, "api.http", "127.0.0.1:" + (root ? 80 : 8080)),
                        take(file, properties, "nbd.tls", "*:10809"),
                        take(file, properties, "nbd.tcp", OFF),
                        takeWhenFull(file, properties),
                        chains(file, properties),
                        pool(file, properties));
        if (!properties.isEmpty()) {
            throw new IOException(
                    file
                            + ": there is no setting "
                            + new TreeSet<>(properties.stringPropertyNames()).first()
                            + "; there are api.https, api.http, nbd.tls, nbd.tcp,"
                            + " storage.when-full, coalesce.quiet-millis, coalesce.trees,"
                            + " coalesce.bytes-per-second and pool.uuid");
        }
        return settings;
    }

    private static RoomWatch.WhenFull takeWhenFull(Path file, Properties properties)
            throws IOException {
        Object given = properties.remove("storage.when-full");
        String value = given == null ? "wait" : ((String) given).strip();
        return RepositorySpace.whenFull(value)
                .orElseThrow(
                        () ->
                                new IOException(
                                        "%s: storage.when-full=%s: write wait or fail"
                                                .formatted(file, value)));
    }

    private static Optional<UUID> pool(Path file, Properties properties) throws IOException {
        Object given = properties.remove("pool.uuid");
        if (given == null) {
            return Optional.empty();
        }
        String value = ((String) given).strip();
        if (!UUID_FORM.matcher(value).matches()) {
            throw new IOException(
                    "%s: pool.uuid=%s: write the UUID that pool-list shows on another host of the"
                                    .formatted(file, value)
                            + " pool");
        }
        return Optional.of(UUID.fromString(value));
    }

    private static ChainSettings chains(Path file, Properties properties) throws IOException {
        ChainSettings standard = ChainSettings.DEFAULTS;
        return new ChainSettings(
                number(file, properties, "coalesce.quiet-millis", 0, standard.quietMillis()),
                Math.clamp(
                        number(file, properties, "coalesce.trees", 1, standard.trees()),
                        1,
                        MOST_TREES),
                number(
                        file,
                        properties,
                        "coalesce.bytes-per-second",
                        0,
                        standard.bytesPerSecond()));
    }

    private static long number(
            Path file, Properties properties, String key, long least, long standard)
            throws IOException {
        Object given = properties.remove(key);
        if (given == null) {
            return standard;
        }
        String value = ((String) given).strip();
        boolean digits = !value.isEmpty() && value.length() <= MOST_DIGITS;
        if (!digits
                || !value.chars().allMatch(c -> c >= '0' && c <= '9')
                || Long.parseLong(value) < least) {
            throw new IOException(
                    "%s: %s=%s: write a number of at least %d, of at most %d digits"
                            .formatted(file, key, value, least, MOST_DIGITS));
        }
        return Long.parseLong(value);
    }

    private static Optional<InetSocketAddress> take(
            Path file, Properties properties, String key, String standard) throws IOException {
        Object given = properties.remove(key);
        String value = given == null ? standard : ((String) given).strip();
        if (value.equals(OFF)) {
            return Optional.empty();
        }
        int colon = value.lastIndexOf(':');
        String host = colon < 0 ? "" : value.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        }
        int port = colon < 0 ? -1 : port(value.substring(colon + 1));
        if (host.isEmpty() || port < 0) {
            throw new IOException(
                    "%s: %s=%s: write ADDRESS:PORT, *:PORT or off".formatted(file, key, value));
        }
        try {
            return Optional.of(
                    host.equals("*")
                            ? new InetSocketAddress(port)
                            : new InetSocketAddress(InetAddress.getByName(host), port));
        } catch (UnknownHostException e) {
            throw new IOException(
                    "%s: %s=%s: there is no address %s".formatted(file, key, value, host), e);
        }
    }

    /** The number of a port, or -1; 0 lets the system choose. */
    private static int port(String text) {
        try {
            int port = Integer.parseInt(text);
            return port <= HIGHEST_PORT ? port : -1;
        } catch (NumberFormatException e) {
            return -1;
        }
    }
}
