// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The command line client {@code xe}: sends what was typed to the daemon and shows what comes back.
 */
public final class XeMain {
    private XeMain() {}

    /** Runs one command and ends the process with its code. */
    public static void main(String[] args) {
        PrintStream out = CliClient.utf8(java.io.FileDescriptor.out);
        PrintStream err = CliClient.utf8(java.io.FileDescriptor.err);
        int code;
        try {
            code = run(args, out, err);
        } catch (IOException e) {
            err.println(e.getMessage());
            code = 1;
        }
        out.flush();
        err.flush();
        System.exit(code);
    }

    private static int run(String[] args, PrintStream out, PrintStream err) throws IOException {
        List<String> words = new ArrayList<>();
        String user = "";
        String password = "";
        boolean debug = false;
        for (int i = 0; i < args.length; i++) {
            String arg = args[i];
            switch (arg) {
                case "-version", "--version" -> {
                    out.println("ThinCLI protocol: " + CliWire.MAJOR + "." + CliWire.MINOR);
                    return 0;
                }
                case "--debug", "--debug-on-fail" -> debug = true;
                case "--nossl" -> {}
                case "-u" -> user = value(args, ++i, arg);
                case "-pw" -> password = value(args, ++i, arg);
                case "-pwf" -> password = firstLine(value(args, ++i, arg));
                case "-s", "-h", "-p" -> {
                    refuseNetwork(arg, value(args, ++i, arg));
                }
                default -> words.add(arg);
            }
        }
        if (!user.isEmpty()) {
            words.add("username=" + user);
        }
        if (!password.isEmpty()) {
            words.add("password=" + password);
        }
        return new CliClient(CliClient.home(), out, err, debug).run(words);
    }

    /** The daemon does not listen on the network yet; its own address means the socket file. */
    private static void refuseNetwork(String option, String value) throws IOException {
        boolean local = value.equals("localhost") || value.equals("127.0.0.1");
        if (option.equals("-p") || !local) {
            throw new IOException(
                    "connections over the network are not there yet: "
                            + option
                            + " "
                            + value
                            + " cannot be used; leave it out to reach the daemon of this machine");
        }
    }

    private static String value(String[] args, int at, String option) throws IOException {
        if (at >= args.length) {
            throw new IOException("the option " + option + " needs a value");
        }
        return args[at];
    }

    private static String firstLine(String file) throws IOException {
        try {
            List<String> lines = Files.readAllLines(Path.of(file));
            return lines.isEmpty() ? "" : lines.getFirst();
        } catch (NoSuchFileException e) {
            throw new IOException("there is no password file " + file, e);
        }
    }
}
