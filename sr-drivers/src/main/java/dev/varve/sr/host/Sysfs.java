// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A directory of sysfs: attributes are files, relations are links and directories.
 *
 * <p>Nothing here is an error: a device without an attribute, one that is unplugged in this moment,
 * and an attribute that the kernel refuses to give all look as if it were not there. What devices
 * say of themselves is not trusted: it is bounded, and what a terminal would not show is a blank.
 *
 * <p><b>Threads:</b> any.
 *
 * @param directory where it is
 */
record Sysfs(Path directory) {
    /** A page, which is what the kernel gives at the most for a text. */
    private static final int TEXT_BYTES = 4096;

    /** More than any page of vital product data that the kernel keeps. */
    private static final int BINARY_BYTES = 65536;

    /** Its own name. */
    String name() {
        return directory.getFileName().toString();
    }

    /** Another directory, from this one. */
    Sysfs at(String path) {
        return new Sysfs(directory.resolve(path));
    }

    /** Whether it is there. */
    boolean exists() {
        return Files.exists(directory);
    }

    /** The text of an attribute, without what is around it; empty when there is none. */
    Optional<String> text(String attribute) {
        return bytes(attribute, TEXT_BYTES)
                .map(bytes -> plain(new String(bytes, StandardCharsets.UTF_8)));
    }

    /** The text of an attribute, or nothing as a text. */
    String textOrEmpty(String attribute) {
        return text(attribute).orElse("");
    }

    /** The bytes of an attribute. */
    Optional<byte[]> binary(String attribute) {
        return bytes(attribute, BINARY_BYTES).filter(bytes -> bytes.length > 0);
    }

    /** A number that is not negative. */
    OptionalLong number(String attribute) {
        String text = textOrEmpty(attribute);
        boolean number = !text.isEmpty() && text.length() <= 18;
        for (int i = 0; i < text.length() && number; i++) {
            number = text.charAt(i) >= '0' && text.charAt(i) <= '9';
        }
        return number ? OptionalLong.of(Long.parseLong(text)) : OptionalLong.empty();
    }

    private Optional<byte[]> bytes(String attribute, int limit) {
        try (InputStream in = Files.newInputStream(directory.resolve(attribute))) {
            return Optional.of(in.readNBytes(limit));
        } catch (IOException e) {
            // See above: an attribute that cannot be read is one that is not there.
            return Optional.empty();
        }
    }

    private static String plain(String text) {
        return text.replaceAll("[\\p{Cntrl}\\uFFFD]", " ").strip();
    }

    /** The names of what is in it, in order. */
    List<String> names() {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (IOException | DirectoryIteratorException e) {
            // See above: what is not there holds nothing.
            return List.of();
        }
        names.sort(null);
        return names;
    }

    /** What is in it, as directories, in the order of names. */
    List<Sysfs> children() {
        return names().stream().map(this::at).toList();
    }

    /** The directory itself, with all links followed; empty when it is not there. */
    Optional<Sysfs> real() {
        try {
            return Optional.of(new Sysfs(directory.toRealPath()));
        } catch (IOException e) {
            // See above.
            return Optional.empty();
        }
    }

    /** The nearest directory above it whose name matches, with links followed. */
    Optional<String> ancestor(String pattern) {
        Path path = real().map(Sysfs::directory).orElse(directory);
        for (int i = path.getNameCount() - 1; i >= 0; i--) {
            String name = path.getName(i).toString();
            if (name.matches(pattern)) {
                return Optional.of(name);
            }
        }
        return Optional.empty();
    }
}
