// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;

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
        XeOptions options =
                XeOptions.of(
                        Path.of(System.getProperty("user.home"), ".xe"),
                        System.getenv("XE_EXTRA_ARGS"),
                        args);
        if (options.wantsVersion()) {
            out.println("ThinCLI protocol: " + CliWire.MAJOR + "." + CliWire.MINOR);
            return 0;
        }
        return new CliClient(options.server(CliClient.home(), err), out, err, options.debug())
                .run(options.words());
    }
}
