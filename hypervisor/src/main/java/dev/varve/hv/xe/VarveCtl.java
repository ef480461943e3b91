// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.BufferedReader;
import java.io.Console;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** The small commands of the launcher: what is asked of a running daemon, like its status. */
public final class VarveCtl {
    private static final String USAGE =
            """
            usage: varve attach VDI-UUID [--read-only]
                   varve detach VDI-UUID
                   varve status
                   varve tree [SR-UUID|VDI-UUID]
                   varve sr handback-check SR-UUID
                   varve passwd [--remove]\
            """;

    private VarveCtl() {}

    /** Runs one command and ends the process with its code. */
    public static void main(String[] args) {
        PrintStream out = CliClient.utf8(java.io.FileDescriptor.out);
        PrintStream err = CliClient.utf8(java.io.FileDescriptor.err);
        int code = 2;
        List<String> words = words(args);
        if (words.isEmpty()) {
            err.println(USAGE);
        } else {
            try {
                if (args[0].equals("passwd") && args.length == 1) {
                    words = List.of("varve-passwd", "new-password=" + newPassword());
                }
                code = new CliClient(Server.local(CliClient.home()), out, err, false).run(words);
            } catch (IOException e) {
                err.println(e.getMessage());
                code = 1;
            }
        }
        out.flush();
        err.flush();
        System.exit(code);
    }

    /** The words for the daemon; none when the command makes no sense. */
    private static List<String> words(String[] args) {
        String command = args.length == 0 ? "" : args[0];
        if (command.equals("status") && args.length == 1) {
            return List.of("varve-status");
        }
        boolean removes = args.length == 2 && args[1].equals("--remove");
        if (command.equals("passwd") && (args.length == 1 || removes)) {
            return List.of("varve-passwd");
        }
        if (command.equals("tree") && args.length == 1) {
            return List.of("varve-tree");
        }
        if (command.equals("tree") && args.length == 2) {
            return List.of("varve-tree", "uuid=" + args[1]);
        }
        if (command.equals("sr") && args.length == 3 && args[1].equals("handback-check")) {
            return List.of("varve-handback-check", "uuid=" + args[2]);
        }
        if (command.equals("detach") && args.length == 2) {
            return List.of("varve-detach", "uuid=" + args[1]);
        }
        if (command.equals("attach") && args.length == 2) {
            return List.of("varve-attach", "uuid=" + args[1]);
        }
        if (command.equals("attach") && args.length == 3) {
            if (args[1].equals("--read-only")) {
                return List.of("varve-attach", "uuid=" + args[2], "read-only=true");
            }
            if (args[2].equals("--read-only")) {
                return List.of("varve-attach", "uuid=" + args[1], "read-only=true");
            }
        }
        return List.of();
    }

    /** A new password: typed twice on a terminal, or the first line of the input. */
    @SuppressWarnings("SystemConsoleNull") // it is null when the input is a pipe
    private static String newPassword() throws IOException {
        Console console = System.console();
        if (console != null && console.isTerminal()) {
            char[] first = console.readPassword("New password for root: ");
            char[] second = console.readPassword("The same again: ");
            if (first == null || !Arrays.equals(first, second)) {
                throw new IOException("the two passwords are not the same; nothing was changed");
            }
            return new String(first);
        }
        String line =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
                        .readLine();
        if (line == null || line.isEmpty()) {
            throw new IOException(
                    "no password came; give it as the first line of the input, or type it on a"
                            + " terminal");
        }
        return line;
    }
}
