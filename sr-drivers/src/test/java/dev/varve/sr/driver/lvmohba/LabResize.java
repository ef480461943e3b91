// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.host.ScsiDisk;
import dev.varve.sr.multipath.MultipathMedium;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The LUN with two paths becomes larger while it is open. The guest asks the machine it runs in to
 * do so: the machine's monitor is at the end of the second serial line.
 */
final class LabResize {
    private static final String MONITOR = "/dev/ttyS1";

    private static final int PAGE_BYTES = 4096;

    /** What the machine calls the two paths. */
    private static final List<String> DRIVES = List.of("one", "two");

    private static int asked;

    private LabResize() {}

    static void run(MultipathMedium medium, List<ScsiDisk> disks) throws Exception {
        long after = 2 * medium.sizeBytes();
        for (String drive : DRIVES) {
            grow(drive, after);
        }
        for (ScsiDisk disk : disks) {
            rescan(disk);
        }
        medium.check();
        LabGuest.requireEqual(after, medium.sizeBytes());
        LabGuest.requireEqual(after, medium.device().geometry().sizeBytes());
        medium.write(after - PAGE_BYTES, new byte[PAGE_BYTES]);
    }

    private static void rescan(ScsiDisk disk) throws IOException {
        Files.writeString(Path.of("/sys/class/block", disk.name(), "device/rescan"), "1");
    }

    private static void grow(String drive, long bytes) throws Exception {
        LabGuest.run("stty", "-F", MONITOR, "raw", "-echo");
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(MONITOR));
                BufferedReader in =
                        Files.newBufferedReader(Path.of(MONITOR), StandardCharsets.UTF_8)) {
            ask(out, in, "qmp_capabilities", "{}");
            ask(out, in, "block_resize", "{\"device\":\"%s\",\"size\":%d}".formatted(drive, bytes));
        }
    }

    /**
     * Events come between, and errors about what the line had echoed before it was told not to;
     * then the command was lost, and is sent again. That nothing has to be negotiated any more is
     * an answer as well.
     */
    private static void ask(BufferedWriter out, BufferedReader in, String name, String arguments)
            throws IOException {
        String id = "\"%s-%d\"".formatted(name, ++asked);
        String command =
                "{\"execute\":\"%s\",\"arguments\":%s,\"id\":%s}\n".formatted(name, arguments, id);
        send(out, command);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            boolean isError = line.contains("\"error\"");
            if (line.contains(id)) {
                LabGuest.require(!isError || line.contains("CommandNotFound"), command + line);
                return;
            }
            if (isError && !line.contains("\"id\"")) {
                send(out, command);
            }
        }
    }

    private static void send(BufferedWriter out, String command) throws IOException {
        out.write(command);
        out.flush();
    }
}
