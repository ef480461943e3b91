// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd.tool;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Looks for other processes that have a file open for writing. Those of other users are seen by
 * root only, and those of other machines by nobody.
 */
final class Writers {
    private static final Path PROC = Path.of("/proc");
    private static final int ACCESS_MODE = 3;

    private Writers() {}

    /** The number of such a process, if there is one that can be seen. */
    static OptionalLong find(Path file) throws IOException {
        Map<String, Object> wanted = Files.readAttributes(file, "unix:dev,ino");
        long self = ProcessHandle.current().pid();
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
            for (Path process : processes) {
                long number = Long.parseLong(process.getFileName().toString());
                if (number != self && writes(process, wanted)) {
                    return OptionalLong.of(number);
                }
            }
        }
        return OptionalLong.empty();
    }

    private static boolean writes(Path process, Map<String, Object> wanted) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(process.resolve("fd"))) {
            for (Path each : files) {
                if (isSame(each, wanted) && isForWriting(process, each.getFileName())) {
                    return true;
                }
            }
        } catch (IOException e) {
            return false; // it has ended, or is somebody else's
        }
        return false;
    }

    private static boolean isSame(Path descriptor, Map<String, Object> wanted) {
        try {
            return Files.readAttributes(descriptor, "unix:dev,ino").equals(wanted);
        } catch (IOException e) {
            return false; // it was closed meanwhile
        }
    }

    /** The line {@code flags:} has them in octal. */
    private static boolean isForWriting(Path process, Path descriptor) {
        try {
            return Files.readAllLines(process.resolve("fdinfo").resolve(descriptor)).stream()
                    .filter(line -> line.startsWith("flags:"))
                    .mapToInt(line -> Integer.parseInt(line.substring(6).strip(), 8))
                    .anyMatch(flags -> (flags & ACCESS_MODE) != 0);
        } catch (IOException e) {
            return false; // it was closed meanwhile
        }
    }
}
