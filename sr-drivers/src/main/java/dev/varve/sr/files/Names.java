// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where everything in the directory of a repository is.
 *
 * <p>Names are read strictly: what is not exactly one of ours is somebody else's and is left alone.
 * A path out of a journal is taken only if it is one of these, so a journal cannot reach outside of
 * the directory.
 */
final class Names {
    /** Everything that is not an image; the reference stack does not look there. */
    static final String HOME = ".varve";

    /** What a file is called while it is written. */
    static final String TEMPORARY = ".tmp";

    /** What a file is called that could not be read. */
    static final String DAMAGED = ".damaged";

    static final String JSON = ".json";

    private static final int UUID_CHARS = 36;
    private static final Pattern UUID_TEXT =
            Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
    private static final Pattern STAGED = Pattern.compile("[0-9]{1,18}-[0-9]{1,9}");
    private static final Pattern JOURNAL = Pattern.compile("([0-9]{1,18})\\.json");

    final Path root;
    final Path home;
    final Path sidecars;
    final Path commits;
    final Path staging;
    final Path claims;

    Names(Path root) {
        this.root = root;
        this.home = root.resolve(HOME);
        this.sidecars = home.resolve("volumes");
        this.commits = home.resolve("commit");
        this.staging = home.resolve("staging");
        this.claims = home.resolve("claims");
    }

    /** The directory that holds the volumes of a kind. */
    Path directory(VolumeKind kind) {
        return switch (kind) {
            case VHD, RAW, CBT_LOG -> root;
            case INCOMING -> home.resolve("incoming");
            case JOURNAL -> home.resolve("journal");
            case META -> home.resolve("meta");
        };
    }

    private static String suffix(VolumeKind kind) {
        return switch (kind) {
            case VHD -> ".vhd";
            case RAW -> ".raw";
            case CBT_LOG -> ".cbtlog";
            case JOURNAL -> ".plan";
            case INCOMING, META -> "";
        };
    }

    /** The file of a volume. */
    Path file(VolumeId id) {
        return directory(id.kind()).resolve(id.uuid() + suffix(id.kind()));
    }

    /** The file with the attributes and marks of a volume. */
    Path sidecar(VolumeId id) {
        String kind =
                switch (id.kind()) {
                    case INCOMING -> ".incoming";
                    case META -> ".meta";
                    case VHD, RAW, CBT_LOG, JOURNAL -> "";
                };
        return sidecars.resolve(id.uuid() + suffix(id.kind()) + kind + JSON);
    }

    /** The UUID of a volume of the given kind whose file has this name, if it is one of ours. */
    static Optional<UUID> parse(VolumeKind kind, String fileName) {
        String suffix = suffix(kind);
        return fileName.endsWith(suffix)
                ? uuid(fileName.substring(0, fileName.length() - suffix.length()))
                : Optional.empty();
    }

    /** A UUID in the one form in which we write it. */
    static Optional<UUID> uuid(String text) {
        return UUID_TEXT.matcher(text).matches()
                ? Optional.of(UUID.fromString(text))
                : Optional.empty();
    }

    /** The file with the journal of a commit. */
    Path journal(long sequence) {
        return commits.resolve(sequence + JSON);
    }

    /** The number of a journal by the name of its file; -1 when it is none. */
    static long sequence(String fileName) {
        Matcher matcher = JOURNAL.matcher(fileName);
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
    }

    /** Where a commit keeps what it is going to put in place. */
    Path staged(long sequence, int index) {
        return staging.resolve(sequence + "-" + index);
    }

    /** A staged file as a journal names it; nothing when that is no such name. */
    Optional<Path> stagedFromJournal(String name) {
        return STAGED.matcher(name).matches()
                ? Optional.of(staging.resolve(name))
                : Optional.empty();
    }

    /** A file as a journal names it, if it is the file or the sidecar of a volume. */
    Optional<Path> targetFromJournal(String relative) {
        for (VolumeKind kind : VolumeKind.values()) {
            for (String prefix : new String[] {relative(directory(kind)), relative(sidecars)}) {
                if (relative.startsWith(prefix)) {
                    Optional<Path> found =
                            match(kind, relative, relative.substring(prefix.length()));
                    if (found.isPresent()) {
                        return found;
                    }
                }
            }
        }
        return Optional.empty();
    }

    private Optional<Path> match(VolumeKind kind, String relative, String name) {
        return name.length() < UUID_CHARS
                ? Optional.empty()
                : uuid(name.substring(0, UUID_CHARS))
                        .map(uuid -> new VolumeId(kind, uuid))
                        .flatMap(
                                id ->
                                        relative.equals(forJournal(file(id)))
                                                ? Optional.of(file(id))
                                                : relative.equals(forJournal(sidecar(id)))
                                                        ? Optional.of(sidecar(id))
                                                        : Optional.empty());
    }

    private String relative(Path directory) {
        String text = root.relativize(directory).toString();
        return text.isEmpty() ? "" : text + "/";
    }

    /** How a journal names a file. */
    String forJournal(Path file) {
        return root.relativize(file).toString();
    }
}
