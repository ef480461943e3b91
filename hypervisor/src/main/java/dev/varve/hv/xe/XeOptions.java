// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * What the user wants of {@code xe} itself: from the file {@code ~/.xe}, then the environment
 * variable {@code XE_EXTRA_ARGS}, then the command line; the later one counts. The words that are
 * left are for the daemon.
 */
final class XeOptions {
    private static final int HTTPS = 443;
    private static final int HTTP = 80;
    private static final int HIGHEST_PORT = 65535;
    private static final Set<String> NEED_VALUES =
            Set.of("server", "port", "username", "password", "passwordfile");

    private final List<String> words = new ArrayList<>();
    private String server = "";
    private String user = "";
    private String password = "";
    private int port;
    private boolean plain;
    private boolean debug;
    private boolean version;

    private XeOptions() {}

    /**
     * Reads all three places.
     *
     * @param file where the user keeps settings; it need not be there
     * @param environment the variable, or null
     */
    static XeOptions of(Path file, String environment, String[] args) throws IOException {
        XeOptions options = new XeOptions();
        try {
            for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                options.setting(file.toString(), line.strip());
            }
        } catch (NoSuchFileException e) {
            // Nothing is kept there.
            options.server = "";
        }
        if (environment != null) {
            int from = 0;
            while (from <= environment.length()) {
                int comma = environment.indexOf(',', from);
                int to = comma < 0 ? environment.length() : comma;
                options.setting("XE_EXTRA_ARGS", environment.substring(from, to).strip());
                from = to + 1;
            }
        }
        options.commandLine(args);
        return options;
    }

    private void setting(String where, String setting) throws IOException {
        if (setting.isEmpty() || setting.startsWith("#")) {
            return;
        }
        int equals = setting.indexOf('=');
        String name = equals < 0 ? setting : setting.substring(0, equals).strip();
        String value = equals < 0 ? "" : setting.substring(equals + 1).strip();
        if (equals < 0 && NEED_VALUES.contains(name)) {
            throw new IOException(
                    where + ": the setting " + name + " needs a value: " + name + "=...");
        }
        switch (name) {
            case "server" -> server = value;
            case "port" -> port = port(where, value);
            case "username" -> user = value;
            case "password" -> password = value;
            case "passwordfile" -> password = firstLine(value);
            case "nossl" -> plain = value.isEmpty() || value.equals("true");
            case "debug", "debugonfail" -> debug = value.isEmpty() || value.equals("true");
            default ->
                    throw new IOException(
                            where
                                    + ": there is no setting "
                                    + name
                                    + "; there are server, port, username, password, passwordfile,"
                                    + " nossl and debug");
        }
    }

    private void commandLine(String[] args) throws IOException {
        for (int i = 0; i < args.length; i++) {
            String arg = args[i];
            switch (arg) {
                case "-version", "--version" -> version = true;
                case "--debug", "--debug-on-fail" -> debug = true;
                case "--nossl" -> plain = true;
                case "-u" -> user = value(args, ++i, arg);
                case "-pw" -> password = value(args, ++i, arg);
                case "-pwf" -> password = firstLine(value(args, ++i, arg));
                case "-s", "-h" -> server = value(args, ++i, arg);
                case "-p" -> port = port(arg, value(args, ++i, arg));
                default -> words.add(arg);
            }
        }
    }

    private static String value(String[] args, int at, String option) throws IOException {
        if (at >= args.length) {
            throw new IOException("the option " + option + " needs a value");
        }
        return args[at];
    }

    private static int port(String where, String text) throws IOException {
        int port;
        try {
            port = Integer.parseInt(text);
        } catch (NumberFormatException e) {
            port = 0;
        }
        if (port <= 0 || port > HIGHEST_PORT) {
            throw new IOException(
                    where + ": \"" + text + "\" is no port; one is between 1 and " + HIGHEST_PORT);
        }
        return port;
    }

    private static String firstLine(String file) throws IOException {
        try {
            List<String> lines = Files.readAllLines(Path.of(file));
            return lines.isEmpty() ? "" : lines.getFirst();
        } catch (NoSuchFileException e) {
            throw new IOException("there is no password file " + file, e);
        } catch (IOException e) {
            throw new IOException(
                    "cannot read the password file " + file + ": " + e.getMessage(), e);
        }
    }

    boolean wantsVersion() {
        return version;
    }

    boolean debug() {
        return debug;
    }

    /** The words for the daemon, with who asks. */
    List<String> words() {
        List<String> all = new ArrayList<>(words);
        if (!user.isEmpty()) {
            all.add("username=" + user);
        }
        if (!password.isEmpty()) {
            all.add("password=" + password);
        }
        return all;
    }

    /** The daemon of this machine, unless another host or a port is named. */
    Server server(Path home, PrintStream notes) {
        boolean here = server.isEmpty() || server.equals("localhost") || server.equals("127.0.0.1");
        if (here && port == 0) {
            return Server.local(home);
        }
        String host = server.isEmpty() ? "localhost" : server;
        int chosen = port != 0 ? port : plain ? HTTP : HTTPS;
        return new RemoteServer(
                host, chosen, plain, new KnownHosts(home.resolve("known_hosts"), notes));
    }
}
