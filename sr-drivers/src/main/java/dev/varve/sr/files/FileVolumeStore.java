// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.sr.store.CommitPlan;
import dev.varve.sr.store.VolumeNotes;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;

/**
 * Volumes as files in one directory.
 *
 * <table>
 * <caption>layout</caption>
 * <tr><th>file</th><th>what it is</th></tr>
 * <tr><td>{@code <uuid>.vhd}, {@code .raw}, {@code .cbtlog}</td><td>volumes, named as by the reference
 * stack</td></tr>
 * <tr><td>{@code .varve/incoming/<uuid>}, {@code journal/<uuid>.plan}, {@code meta/<uuid>}</td>
 * <td>volumes that the reference stack has no name for</td></tr>
 * <tr><td>{@code .varve/volumes/<volume>.json}</td><td>{@link Sidecar}</td></tr>
 * <tr><td>{@code .varve/staging/<sequence>-<n>}</td><td>files of a commit that are not in place</td></tr>
 * <tr><td>{@code .varve/commit/<sequence>.json}</td><td>{@link CommitJournal}</td></tr>
 * <tr><td>{@code .varve/reserve}</td><td>{@link SpaceReserve}</td></tr>
 * <tr><td>{@code .varve/lock}</td><td>locked while a daemon commits or recovers</td></tr>
 * <tr><td>{@code .varve/attached}</td><td>locked, together with others, while a daemon has the store
 * open</td></tr>
 * </table>
 *
 * <p><b>Durability:</b> the order of a commit, and what a crash after each step leaves:
 *
 * <ol>
 *   <li>Everything to come is made under names in {@code staging}: new volumes as sparse files, new
 *       sidecars as files, and a volume that changes its name as a second link to it; then the
 *       directory is synced. After a crash nothing has changed; {@link #recover()} empties the
 *       directory.
 *   <li>The journal is written under a temporary name, synced, renamed, and its directory synced.
 *       Before the rename is durable: as above. From then on the commit has happened.
 *   <li>Each staged file is renamed to its name, then what has to go is removed. After a crash in
 *       between, any of these steps may have survived or not; {@link #recover()} does all of them
 *       again. A staged file that is not there is in place already.
 *   <li>The directories are synced. After a crash the steps are repeated and change nothing.
 *   <li>The journal is removed and its directory synced, before any later commit starts: an old
 *       journal is never applied on top of a newer one.
 * </ol>
 *
 * <p>A commit that takes only one step needs no journal: the step itself is the point at which it
 * happens. Nor does one that only removes a volume: it happens when the file goes, and what is left
 * of the volume means nothing then. So a volume can be removed when there is no room for a journal.
 * A step that fails after the journal is durable (the directory vanished, say) fails the call, but
 * the commit has happened; the next commit or {@link #recover()} finishes it first.
 *
 * <p><b>Threads:</b> any. Commits of one store, and of all stores on the same directory, exclude
 * each other. A listing may see another <em>process</em> in the middle of a commit, never its own.
 *
 * <p><b>Invariants:</b> files that are not named exactly like ours are left alone. A volume that is
 * open is not removed or replaced; it may be renamed.
 */
public final class FileVolumeStore implements VolumeStore {
    /** The kinds of volumes whose files are not in a directory of ours. */
    static final List<VolumeKind> KINDS_IN_ROOT =
            List.of(VolumeKind.VHD, VolumeKind.RAW, VolumeKind.CBT_LOG);

    private final FileOps ops;
    private final Names names;
    private final OpenFiles open;
    private final SpaceReserve reserve;
    private final List<Runnable> roomListeners = new CopyOnWriteArrayList<>();
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final Set<String> problems = new LinkedHashSet<>();
    private long lastSequence;
    private FileOps.Lock attached;

    /**
     * @param root the directory, which must be there
     * @param settings how volumes grow
     * @param blocking where volumes grow
     */
    public FileVolumeStore(Path root, FileStoreSettings settings, Executor blocking) {
        this(root, new LinuxFileOps(), new OpenFiles(settings, blocking));
    }

    FileVolumeStore(Path root, FileOps ops, OpenFiles open) {
        this.names = new Names(root);
        this.ops = ops;
        this.open = open;
        this.reserve = new SpaceReserve(names, ops);
        open.onChange(reserve::keepIfPossible, this::tellRoom);
    }

    /** Makes the directories that are missing. */
    static void prepare(Names names, FileOps ops) {
        List<Path> needed =
                List.of(
                        names.home,
                        names.sidecars,
                        names.commits,
                        names.staging,
                        names.claims,
                        names.directory(VolumeKind.INCOMING),
                        names.directory(VolumeKind.JOURNAL),
                        names.directory(VolumeKind.META));
        needed.forEach(ops::makeDirectory);
        ops.syncDirectory(names.home);
        ops.syncDirectory(names.root);
    }

    @Override
    public Set<StoreFeature> features() {
        return Set.of(StoreFeature.SPARSE, StoreFeature.ZEROED);
    }

    @Override
    public StoreSpace space() {
        return reserve.space();
    }

    @Override
    public void whenRoom(Runnable listener) {
        roomListeners.add(listener);
    }

    @Override
    public long useReserve(long bytes) {
        return reserve.use(bytes);
    }

    private void tellRoom() {
        roomListeners.forEach(Runnable::run);
    }

    /** What was found damaged and set aside, for a person; each is told once. */
    public List<String> problems() {
        synchronized (problems) {
            return List.copyOf(problems);
        }
    }

    private void report(String problem) {
        synchronized (problems) {
            problems.add(problem);
        }
    }

    // ---- looking

    @Override
    public List<VolumeInfo> list() {
        List<VolumeInfo> found = new ArrayList<>();
        List<VolumeId> damaged = new ArrayList<>();
        lock.readLock().lock();
        try {
            requireHome();
            for (VolumeId id : listed()) {
                info(id, damaged).ifPresent(found::add);
            }
        } finally {
            lock.readLock().unlock();
        }
        damaged.forEach(this::setAside);
        return found;
    }

    /** A directory that vanished must not look like a store without volumes. */
    private void requireRoot() {
        if (ops.stat(names.root).isEmpty()) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the directory " + names.root + " is not there; is its file system mounted?");
        }
    }

    /** Nor must a mount point whose file system is gone: once attached, our directory is there. */
    private void requireHome() {
        requireRoot();
        if (ops.stat(names.home).isEmpty()) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the directory "
                            + names.root
                            + " holds no repository any more; is its file system mounted?");
        }
    }

    @Override
    public Set<VolumeId> ids() {
        lock.readLock().lock();
        try {
            requireHome();
            return listed();
        } finally {
            lock.readLock().unlock();
        }
    }

    @Override
    public String nameOf(VolumeId id) {
        return names.file(id).getFileName().toString();
    }

    @Override
    public Optional<VolumeId> named(String name) {
        return Stream.of(VolumeKind.VHD, VolumeKind.RAW)
                .flatMap(
                        kind ->
                                Names.parse(kind, name).stream()
                                        .map(uuid -> new VolumeId(kind, uuid)))
                .findFirst();
    }

    private Set<VolumeId> listed() {
        Set<VolumeId> ids = new LinkedHashSet<>();
        Map<Path, List<String>> listed = new TreeMap<>();
        for (VolumeKind kind : VolumeKind.values()) {
            Path directory = names.directory(kind);
            for (String name : listed.computeIfAbsent(directory, ops::names)) {
                Names.parse(kind, name).ifPresent(uuid -> ids.add(new VolumeId(kind, uuid)));
            }
        }
        return ids;
    }

    @Override
    public Optional<VolumeInfo> find(VolumeId id) {
        List<VolumeId> damaged = new ArrayList<>();
        Optional<VolumeInfo> found;
        lock.readLock().lock();
        try {
            requireHome();
            found = info(id, damaged);
        } finally {
            lock.readLock().unlock();
        }
        damaged.forEach(this::setAside);
        return found;
    }

    private Optional<VolumeInfo> info(VolumeId id, Collection<VolumeId> damaged) {
        Optional<FileOps.Entry> entry = ops.stat(names.file(id)).filter(FileOps.Entry::regular);
        if (entry.isEmpty()) {
            return Optional.empty();
        }
        VolumeNotes sidecar = sidecar(id, damaged);
        return Optional.of(
                new VolumeInfo(
                        id,
                        entry.get().sizeBytes(),
                        entry.get().allocatedBytes(),
                        sidecar.readOnly(),
                        sidecar.hidden(),
                        sidecar.attributes()));
    }

    private VolumeNotes sidecar(VolumeId id, Collection<VolumeId> damaged) {
        Optional<byte[]> content = ops.read(names.sidecar(id));
        if (content.isEmpty()) {
            return VolumeNotes.NONE;
        }
        Optional<VolumeNotes> sidecar = Sidecar.decode(content.get());
        if (sidecar.isEmpty()) {
            damaged.add(id);
        }
        return sidecar.orElse(VolumeNotes.NONE);
    }

    /** Keeps a damaged sidecar for a person to look at, if it still is damaged. */
    private void setAside(VolumeId id) {
        Path file = names.sidecar(id);
        String problem = "the attributes of " + id + " in " + file + " are damaged";
        lock.writeLock().lock();
        try (FileOps.Lock _ = ops.lock(lockFile())) {
            List<VolumeId> damaged = new ArrayList<>();
            sidecar(id, damaged);
            if (!damaged.isEmpty()) {
                setAside(file);
                report(problem + "; kept as " + file.getFileName() + Names.DAMAGED);
            }
        } catch (StorageException e) {
            // A listing does not fail for that: the volume is there, its attributes are not.
            report(problem + " and could not be set aside: " + e.sentence());
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void setAside(Path file) {
        ops.rename(file, file.resolveSibling(file.getFileName() + Names.DAMAGED));
        ops.syncDirectory(file.getParent());
    }

    // ---- opening

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        // Not while a commit may remove the volume or give it another name.
        lock.readLock().lock();
        try {
            requireHome();
            VolumeInfo info =
                    info(id, new ArrayList<>())
                            .orElseThrow(
                                    () ->
                                            ErrorCode.VDI_NOT_ON_STORAGE.because(
                                                    "there is no volume " + id));
            if (writable && info.readOnly()) {
                throw ErrorCode.VDI_READONLY.with(id.uuid().toString());
            }
            return open.open(id, names.file(id), writable);
        } finally {
            lock.readLock().unlock();
        }
    }

    // ---- changing

    @Override
    public void commit(List<VolumeChange> changes) {
        lock.writeLock().lock();
        try {
            requireHome();
            try (FileOps.Lock _ = ops.lock(lockFile())) {
                rollForward();
                CommitPlan plan = CommitPlan.of(changes, new PresentVolumes());
                carryOut(plan);
            }
        } finally {
            lock.writeLock().unlock();
        }
        if (changes.stream().anyMatch(FileVolumeStore::mayMakeRoom)) {
            // What was used of the reserve comes first.
            reserve.keepIfPossible();
            tellRoom();
        }
    }

    private static boolean mayMakeRoom(VolumeChange change) {
        return change instanceof VolumeChange.Delete || change instanceof VolumeChange.Rename;
    }

    private Path lockFile() {
        return names.home.resolve("lock");
    }

    private final class PresentVolumes implements CommitPlan.Present {
        @Override
        public Optional<VolumeNotes> notes(VolumeId id) {
            return info(id, new ArrayList<>())
                    .map(i -> new VolumeNotes(i.readOnly(), i.hidden(), i.attributes()));
        }

        @Override
        public boolean isOpen(VolumeId id) {
            return open.isOpen(id);
        }
    }

    private void carryOut(CommitPlan plan) {
        long sequence = ++lastSequence;
        CommitJournal journal = reserve.whenFull(() -> stage(plan, sequence));
        if (journal.steps() == 0) {
            return;
        }
        if (journal.moves().isEmpty() && plan.after().size() == 1) {
            removeInOrder(journal.deletes());
            return;
        }
        Path journalFile = names.journal(sequence);
        boolean journaled = journal.steps() > 1;
        if (journaled) {
            try {
                reserve.whenFull(
                        () -> {
                            ops.replace(journalFile, journal.encode(names));
                            return journalFile;
                        });
            } catch (StorageException e) {
                withdraw(journalFile, journal, e);
                throw e;
            }
        }
        if (!journaled) {
            finish(journal);
            open.renamed(plan.renamed());
            return;
        }
        // It has happened, even if the rest of it has to wait for the next commit.
        open.renamed(plan.renamed());
        finish(journal);
        forget(journalFile);
    }

    /** The file of one volume, then its sidecar: never a volume without what belongs to it. */
    private void removeInOrder(List<Path> files) {
        for (Path file : files) {
            ops.delete(file);
            ops.syncDirectory(file.getParent());
        }
    }

    /** Makes everything to come under staging names. Nothing that anybody sees changes. */
    private CommitJournal stage(CommitPlan plan, long sequence) {
        List<CommitJournal.Move> moves = new ArrayList<>();
        List<Path> deletes = new ArrayList<>();
        try {
            plan.after()
                    .forEach(
                            (id, node) -> {
                                stageContent(plan, id, node, sequence, moves, deletes);
                                stageSidecar(plan, id, node, sequence, moves, deletes);
                            });
            if (!moves.isEmpty()) {
                ops.syncDirectory(names.staging);
            }
        } catch (StorageException e) {
            unstage(new CommitJournal(moves, deletes), e);
            throw e;
        }
        return new CommitJournal(moves, deletes);
    }

    private void stageContent(
            CommitPlan plan,
            VolumeId id,
            Optional<CommitPlan.Node> node,
            long sequence,
            List<CommitJournal.Move> moves,
            List<Path> deletes) {
        Path target = names.file(id);
        if (node.isEmpty()) {
            if (plan.before(id).isPresent()) {
                deletes.add(target);
            }
            return;
        }
        Path staged = names.staged(sequence, moves.size());
        switch (node.get().content()) {
            case CommitPlan.Content.Zeros zeros -> ops.createSparse(staged, zeros.sizeBytes());
            case CommitPlan.Content.Existing existing -> {
                if (existing.id().equals(id)) {
                    return;
                }
                ops.link(names.file(existing.id()), staged);
            }
        }
        moves.add(new CommitJournal.Move(staged, target));
    }

    private void stageSidecar(
            CommitPlan plan,
            VolumeId id,
            Optional<CommitPlan.Node> node,
            long sequence,
            List<CommitJournal.Move> moves,
            List<Path> deletes) {
        Path target = names.sidecar(id);
        VolumeNotes after = node.map(CommitPlan.Node::notes).orElse(VolumeNotes.NONE);
        VolumeNotes before = plan.before(id).map(CommitPlan.Node::notes).orElse(VolumeNotes.NONE);
        // One that nobody expects, of a volume that somebody removed by hand, must not come to
        // life.
        boolean stray = plan.before(id).isEmpty() && ops.stat(target).isPresent();
        if (after.equals(before) && !stray) {
            return;
        }
        if (after.equals(VolumeNotes.NONE)) {
            deletes.add(target);
            return;
        }
        Path staged = names.staged(sequence, moves.size());
        ops.write(staged, Sidecar.encode(after));
        moves.add(new CommitJournal.Move(staged, target));
    }

    private void unstage(CommitJournal journal, StorageException failure) {
        attempt(failure, () -> journal.moves().forEach(move -> ops.delete(move.staged())));
    }

    /**
     * The journal may be in place although writing it failed. What it names is removed only after
     * it is gone for good: applied without the staged files, it would remove names and give back
     * none.
     */
    private void withdraw(Path journalFile, CommitJournal journal, StorageException failure) {
        attempt(
                failure,
                () -> {
                    forget(journalFile);
                    journal.moves().forEach(move -> ops.delete(move.staged()));
                });
    }

    /** Cleans up after a failure; what cannot be cleaned up is left to the next commit. */
    private static void attempt(StorageException failure, Runnable cleanup) {
        try {
            cleanup.run();
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    /** Puts everything in place. May be repeated after any part of it. */
    private void finish(CommitJournal journal) {
        reserve.whenFull(
                () -> {
                    putInPlace(journal);
                    return journal;
                });
    }

    private void putInPlace(CommitJournal journal) {
        Set<Path> changed = new TreeSet<>();
        for (CommitJournal.Move move : journal.moves()) {
            if (ops.stat(move.staged()).isPresent()) {
                ops.rename(move.staged(), move.target());
                // A rename between two names of one file does nothing and leaves both.
                ops.delete(move.staged());
            }
            changed.add(move.target().getParent());
        }
        for (Path path : journal.deletes()) {
            ops.delete(path);
            changed.add(path.getParent());
        }
        changed.forEach(ops::syncDirectory);
    }

    private void forget(Path journalFile) {
        ops.delete(journalFile);
        ops.syncDirectory(names.commits);
    }

    // ---- after a crash

    @Override
    public void recover() {
        lock.writeLock().lock();
        try {
            requireRoot();
            prepare(names, ops);
            try (FileOps.Lock _ = ops.lock(lockFile())) {
                rollForward();
                removeTemporary(names.home);
                removeTemporary(names.sidecars);
                letGo();
                attached = ops.attach(attachedFile(names), this::removeIncoming);
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Finishes what a crash interrupted, and takes no note of being attached. */
    void finishCommits() {
        lock.writeLock().lock();
        try (FileOps.Lock _ = ops.lock(lockFile())) {
            rollForward();
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Whether a crash left something that {@link #recover()} has to write for. */
    boolean isUnfinished() {
        return ops.names(names.commits).stream().anyMatch(name -> Names.sequence(name) >= 0);
    }

    /** Finishes commits that have happened and removes what is left of those that have not. */
    private void rollForward() {
        List<Long> sequences = new ArrayList<>();
        for (String name : ops.names(names.commits)) {
            long sequence = Names.sequence(name);
            if (sequence >= 0) {
                sequences.add(sequence);
            } else if (name.endsWith(Names.TEMPORARY)) {
                ops.delete(names.commits.resolve(name));
            }
        }
        sequences.sort(null);
        Set<String> kept = new TreeSet<>();
        for (long sequence : sequences) {
            lastSequence = Math.max(lastSequence, sequence);
            if (!rollForward(sequence)) {
                kept.add(sequence + "-");
            }
        }
        removeStaged(kept);
    }

    private void removeStaged(Set<String> kept) {
        List<String> stale = new ArrayList<>(ops.names(names.staging));
        stale.removeIf(name -> kept.stream().anyMatch(name::startsWith));
        if (!stale.isEmpty()) {
            // A journal whose removal did not become durable must not come back without these.
            ops.syncDirectory(names.commits);
            stale.forEach(name -> ops.delete(names.staging.resolve(name)));
        }
    }

    private boolean rollForward(long sequence) {
        Path file = names.journal(sequence);
        Optional<CommitJournal> journal =
                ops.read(file).flatMap(content -> CommitJournal.decode(content, names));
        if (journal.isPresent()) {
            finish(journal.get());
            forget(file);
            return true;
        }
        // It was synced before it got its name, so this is damage and not an interrupted write.
        setAside(file);
        report(
                "the journal "
                        + file
                        + " is damaged and was set aside; what it names is in staging");
        return false;
    }

    private void removeTemporary(Path directory) {
        for (String name : ops.names(directory)) {
            if (name.endsWith(Names.TEMPORARY)) {
                ops.delete(directory.resolve(name));
            }
        }
    }

    /** Images that were still being made belong to nobody once no other daemon is attached. */
    private void removeIncoming() {
        Path directory = names.directory(VolumeKind.INCOMING);
        for (String name : ops.names(directory)) {
            Names.parse(VolumeKind.INCOMING, name)
                    .map(uuid -> new VolumeId(VolumeKind.INCOMING, uuid))
                    .filter(id -> !open.isOpen(id))
                    .ifPresent(
                            id -> {
                                ops.delete(names.file(id));
                                ops.delete(names.sidecar(id));
                            });
        }
        ops.syncDirectory(directory);
    }

    /** The file that is locked while a daemon has the store open. */
    static Path attachedFile(Names names) {
        return names.home.resolve("attached");
    }

    /** Notes that the store is attached, where that was not possible before. */
    void stayAttached() {
        lock.writeLock().lock();
        try {
            if (attached == null) {
                attached = ops.attach(attachedFile(names), () -> {});
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    /**
     * Lets go of the directory while its file system is mounted anew, and recovers; nobody uses the
     * store meanwhile. When this fails, the store stays let go of until it recovers.
     *
     * @throws IllegalStateException when a volume is open
     */
    void whileReleased(Runnable work) {
        lock.writeLock().lock();
        try {
            open.requireNoneOpen();
            letGo();
            work.run();
            recover();
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Whether a volume is open. */
    boolean isInUse() {
        return open.isInUse();
    }

    private void letGo() {
        if (attached != null) {
            attached.close();
            attached = null;
        }
    }

    /**
     * Lets go of the directory.
     *
     * @throws IllegalStateException when a volume is open
     */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            open.requireNoneOpen();
            letGo();
        } finally {
            lock.writeLock().unlock();
        }
    }
}
