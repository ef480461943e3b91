// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.FileStatus;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import org.apache.commons.io.file.PathUtils;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * A repository that is a directory: what it takes to make, find, attach and remove one, whatever
 * file system the directory is on.
 *
 * <p><b>Threads:</b> any.
 *
 * <p><b>Durability:</b> a repository exists once {@code .varve/sr.json} does, which is linked to
 * its name as the last step of making one and removed as the last file of removing one. A crash
 * while it is made leaves empty directories, over which it can be made again; a crash while it is
 * removed leaves a repository that can be removed again.
 */
public final class DirectorySr implements AttachedSr {
    /** Where the identity of a repository is, from its directory on. */
    public static final String IDENTITY = Names.HOME + "/" + IdentityFile.NAME;

    private static final String LOST_AND_FOUND = "lost+found";
    private static final int DIRECTORY_MODE = 0755;

    private final Names names;
    private final FileOps ops;
    private final FileVolumeStore store;
    private final Claims claims;
    private volatile SrIdentity identity;

    private DirectorySr(
            Names names, FileOps ops, SrIdentity identity, FileVolumeStore store, Claims claims) {
        this.names = names;
        this.ops = ops;
        this.identity = identity;
        this.store = store;
        this.claims = claims;
    }

    // ---- looking

    /** The repository in a directory; nothing when there is none. */
    public static Optional<SrIdentity> find(Path root) {
        requireDirectory(root);
        return read(new Names(root), new LinuxFileOps()).map(IdentityFile::identity);
    }

    /** The repository that the content of its identity file describes; nothing when damaged. */
    public static Optional<SrIdentity> decode(byte[] content) {
        return IdentityFile.decode(content).map(IdentityFile::identity);
    }

    /** The names in a directory that belong to no repository, for a look before all is removed. */
    public static List<String> foreign(Path root) {
        return new LinuxFileOps()
                .names(root).stream()
                        .filter(name -> !name.equals(Names.HOME) && !name.equals(LOST_AND_FOUND))
                        .filter(
                                name ->
                                        FileVolumeStore.KINDS_IN_ROOT.stream()
                                                .noneMatch(
                                                        kind ->
                                                                Names.parse(kind, name)
                                                                        .isPresent()))
                        .sorted()
                        .toList();
    }

    /** Whether a directory holds neither a repository nor images. */
    public static boolean isEmpty(Path root) {
        return new LinuxFileOps().names(root).stream().allMatch(LOST_AND_FOUND::equals);
    }

    /** Whether somebody on this host has the repository in a directory attached. */
    public static boolean isAttached(Path root) {
        Names names = new Names(root);
        FileOps ops = new LinuxFileOps();
        if (ops.stat(FileVolumeStore.attachedFile(names)).isEmpty()) {
            return false;
        }
        boolean[] alone = new boolean[1];
        ops.attach(FileVolumeStore.attachedFile(names), () -> alone[0] = true).close();
        return !alone[0];
    }

    /** The room in a directory. */
    public static StoreSpace space(Path root) {
        return new LinuxFileOps().space(root);
    }

    private static void requireDirectory(Path root) {
        FileStatus status = FileStatus.of(root, true);
        if (status.error() < 0) {
            throw FileFailure.of("cannot use the directory " + root, status.error());
        }
        if (!status.isDirectory()) {
            throw ErrorCode.SR_UNAVAILABLE.because(root + " is not a directory");
        }
    }

    private static Path identityFile(Names names) {
        return names.home.resolve(IdentityFile.NAME);
    }

    private static Optional<IdentityFile> read(Names names, FileOps ops) {
        Path file = identityFile(names);
        return ops.read(file)
                .map(
                        content ->
                                IdentityFile.decode(content)
                                        .orElseThrow(
                                                () ->
                                                        ErrorCode.SR_METADATA.because(
                                                                file
                                                                        + " is damaged; move it"
                                                                        + " away and attach the"
                                                                        + " repository by its UUID"
                                                                        + " to write a new one")));
    }

    // ---- making

    /** Makes an empty repository in a directory that is empty, or not there while its parent is. */
    public static void create(Path root, SrIdentity identity) {
        Names names = new Names(root);
        FileOps ops = new LinuxFileOps();
        boolean made = makeRoot(root);
        Deque<Path> undo = new ArrayDeque<>();
        if (made) {
            undo.push(root);
        }
        try {
            refuseContent(root);
            fill(names, ops, undo);
            publish(names, ops, new IdentityFile(identity, made));
        } catch (StorageException e) {
            undo(undo, ops, e);
            throw e;
        }
    }

    private static boolean makeRoot(Path root) {
        int result = Libc.mkdir(root.toString(), DIRECTORY_MODE);
        if (result == 0) {
            return true;
        }
        FileStatus status = FileStatus.of(root, true);
        if (status.isDirectory()) {
            return false;
        }
        if (status.error() == 0) {
            throw ErrorCode.SR_EXISTS.because(root + " is there and is not a directory");
        }
        if (result == -Libc.ENOENT || result == -Libc.ENOTDIR) {
            throw ErrorCode.FILE_SR_CREATE.because(
                    "cannot make "
                            + root
                            + ": the directory "
                            + root.getParent()
                            + " is not there; make it first");
        }
        throw FileFailure.of("cannot make the directory " + root, result);
    }

    private static void refuseContent(Path root) {
        for (String name : new LinuxFileOps().names(root)) {
            boolean leftover = name.equals(Names.HOME) && isInterrupted(root.resolve(name));
            if (!leftover && !name.equals(LOST_AND_FOUND)) {
                throw ErrorCode.SR_EXISTS.because(
                        root
                                + " is not empty: it holds "
                                + name
                                + "; choose another directory, or introduce the repository that"
                                + " is there");
            }
        }
    }

    /** Whether our directory holds nothing but what an interrupted creation leaves. */
    private static boolean isInterrupted(Path home) {
        try {
            return !FileStatus.of(home.resolve(IdentityFile.NAME), false).isRegular()
                    && PathUtils.countDirectory(home).getFileCounter().get() == 0;
        } catch (IOException e) {
            throw FileFailure.of("cannot look into " + home, e);
        }
    }

    private static void fill(Names names, FileOps ops, Deque<Path> undo) {
        if (ops.stat(names.home).isEmpty()) {
            undo.push(names.home);
        }
        FileVolumeStore.prepare(names, ops);
    }

    /**
     * Linking fails when another daemon was faster; it also tells that the file system can link.
     */
    private static void publish(Names names, FileOps ops, IdentityFile file) {
        Path target = identityFile(names);
        Path temporary = target.resolveSibling(file.identity().uuid() + "-sr" + Names.TEMPORARY);
        ops.delete(temporary);
        ops.write(temporary, file.encode());
        try {
            ops.link(temporary, target);
        } finally {
            ops.delete(temporary);
        }
        ops.syncDirectory(names.home);
        if (names.root.getParent() != null) {
            ops.syncDirectory(names.root.getParent());
        }
    }

    /** Removes what was made, unless another daemon has made a repository of it meanwhile. */
    private static void undo(Deque<Path> made, FileOps ops, StorageException failure) {
        for (Path path : made) {
            try {
                Path file = path.resolve(IdentityFile.NAME);
                if (path.endsWith(Names.HOME) && ops.stat(file).isEmpty()) {
                    PathUtils.deleteDirectory(path);
                } else {
                    Libc.rmdir(path.toString());
                }
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
        }
    }

    // ---- attaching

    /** Makes the volumes of a directory usable. */
    public static DirectorySr attach(Path root, SrIdentity given, SrContext context) {
        requireDirectory(root);
        Names names = new Names(root);
        FileOps ops = new LinuxFileOps();
        Optional<IdentityFile> found = read(names, ops);
        found.ifPresent(file -> requireUuid(root, given.uuid(), file.identity()));
        if (found.isEmpty()) {
            adopt(names, ops, given);
        }
        FileVolumeStore store =
                new FileVolumeStore(root, FileStoreSettings.DEFAULT, context.blocking());
        recover(store);
        SrIdentity identity = found.map(IdentityFile::identity).orElse(given);
        FileClaims claims = new FileClaims(root, context.host(), store::useReserve);
        return new DirectorySr(names, ops, identity, store, claims);
    }

    /**
     * A directory that cannot be written to now can be read, unless something has to be finished.
     */
    private static void recover(FileVolumeStore store) {
        try {
            store.recover();
        } catch (StorageException e) {
            boolean readable = e.code() == ErrorCode.SR_NOT_WRITABLE && !store.isUnfinished();
            if (!readable) {
                throw e;
            }
        }
    }

    private static void requireUuid(Path root, UUID expected, SrIdentity found) {
        if (!found.uuid().equals(expected)) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the directory %s holds the repository %s (%s), not %s; is the right file system mounted?"
                            .formatted(root, found.uuid(), found.label(), expected));
        }
    }

    /**
     * Takes over a directory that is known to be a repository of the reference stack, which keeps
     * no identity. One that has an identity is left as it is.
     */
    public static void adopt(Path root, SrIdentity given) {
        requireDirectory(root);
        Names names = new Names(root);
        FileOps ops = new LinuxFileOps();
        if (read(names, ops).isEmpty()) {
            FileVolumeStore.prepare(names, ops);
            publish(names, ops, new IdentityFile(given, false));
        }
    }

    /** Takes over a directory of the reference stack, which keeps no identity. */
    private static void adopt(Names names, FileOps ops, SrIdentity given) {
        boolean images =
                ops.names(names.root).stream()
                        .anyMatch(name -> Names.parse(VolumeKind.VHD, name).isPresent());
        if (!images) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the directory %s holds no repository and no images; is the file system of repository %s mounted?"
                            .formatted(names.root, given.uuid()));
        }
        FileVolumeStore.prepare(names, ops);
        publish(names, ops, new IdentityFile(given, false));
    }

    // ---- while it is attached

    @Override
    public SrIdentity identity() {
        return identity;
    }

    @Override
    public VolumeStore volumes() {
        return store;
    }

    @Override
    public Claims claims() {
        return claims;
    }

    /** What was found damaged and set aside, for a person. */
    public List<String> problems() {
        return store.problems();
    }

    @Override
    public void update(SrIdentity changed) {
        if (!changed.uuid().equals(identity.uuid())) {
            throw new IllegalArgumentException("a repository keeps its UUID");
        }
        IdentityFile present = requirePresent();
        IdentityFile file = new IdentityFile(changed, present.madeDirectory());
        ops.replace(identityFile(names), file.encode());
        identity = changed;
    }

    private IdentityFile requirePresent() {
        requireDirectory(names.root);
        IdentityFile file =
                read(names, ops)
                        .orElseThrow(
                                () ->
                                        ErrorCode.SR_UNAVAILABLE.because(
                                                "the directory %s does not hold the repository %s any more; is its file system mounted?"
                                                        .formatted(names.root, identity.uuid())));
        requireUuid(names.root, identity.uuid(), file.identity());
        return file;
    }

    @Override
    public void check() {
        requirePresent();
        Path probe = names.home.resolve("probe");
        try {
            ops.replace(probe, "probe\n".getBytes(StandardCharsets.US_ASCII));
            // The directory may have been read-only when it was attached.
            store.stayAttached();
        } catch (StorageException e) {
            // A full repository is in order: it can be read, and disks can be removed.
            if (e.code() != ErrorCode.SR_NO_SPACE) {
                throw e;
            }
        }
    }

    /** Whether a volume is open. */
    public boolean isInUse() {
        return store.isInUse();
    }

    /**
     * Whether the file system was shut down: it then refuses to open even a file that it has in
     * memory. A bad place of the medium does not show like this.
     */
    public boolean isShutDown() {
        int fd = Libc.open(FileVolumeStore.attachedFile(names).toString(), Libc.O_RDONLY);
        if (fd >= 0) {
            Libc.close(fd);
        }
        return fd == -Libc.EIO;
    }

    /**
     * Lets go of the directory while its file system is mounted anew, and finishes what was
     * interrupted. Nobody uses the volumes meanwhile.
     *
     * @throws IllegalStateException when a volume is open
     */
    public void remount(Runnable mount) {
        store.whileReleased(mount);
    }

    @Override
    public void close() {
        store.close();
    }

    // ---- removing

    /** Removes the repository and what belongs to it; the directory only if it was made with it. */
    public static void destroy(Path root, UUID uuid, SrContext context) {
        requireDirectory(root);
        Names names = new Names(root);
        FileOps ops = new LinuxFileOps();
        IdentityFile file =
                read(names, ops)
                        .orElseThrow(
                                () ->
                                        ErrorCode.SR_UNAVAILABLE.because(
                                                root + " holds no repository"));
        requireUuid(root, uuid, file.identity());
        boolean[] alone = new boolean[1];
        try (FileOps.Lock _ =
                ops.attach(
                        FileVolumeStore.attachedFile(names),
                        () -> {
                            alone[0] = true;
                            remove(names, ops, file, context);
                        })) {
            if (!alone[0]) {
                throw ErrorCode.SR_IN_USE.because(
                        "the repository in " + root + " is attached; detach it first");
            }
        }
    }

    private static void remove(Names names, FileOps ops, IdentityFile file, SrContext context) {
        FileVolumeStore store =
                new FileVolumeStore(names.root, FileStoreSettings.DEFAULT, context.blocking());
        store.finishCommits();
        long disks = store.list().stream().filter(volume -> volume.id().kind().isDisk()).count();
        if (disks > 0) {
            throw ErrorCode.SR_NOT_EMPTY_BACKEND.because(
                    names.root + " still holds " + disks + " disks; remove them first");
        }
        for (String name : ops.names(names.root)) {
            if (Names.parse(VolumeKind.CBT_LOG, name).isPresent()) {
                ops.delete(names.root.resolve(name));
            }
        }
        removeHome(names, ops);
        if (file.madeDirectory()) {
            // Something of somebody else's in it keeps the directory.
            Libc.rmdir(names.root.toString());
        }
    }

    private static void removeHome(Names names, FileOps ops) {
        try {
            for (String name : ops.names(names.home)) {
                if (!name.equals(IdentityFile.NAME)) {
                    PathUtils.delete(names.home.resolve(name));
                }
            }
            ops.syncDirectory(names.home);
            PathUtils.deleteDirectory(names.home);
            ops.syncDirectory(names.root);
        } catch (IOException e) {
            throw ErrorCode.FILE_SR_DELETE.because("cannot remove " + names.home + ": " + e, e);
        }
    }
}
