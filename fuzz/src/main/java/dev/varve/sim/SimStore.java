// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * A store that keeps to its contract in the worst way that the contract allows.
 *
 * <p>A commit takes time, in which guests go on. It happens when its journal is durable; a loss of
 * power before that leaves nothing of it, one after that leaves work for {@link #recover()}. Some
 * commits fail: before they have happened; because the store is full; or after they have happened,
 * with any part of them in place, and then the next commit finishes them.
 *
 * <p><b>Threads:</b> one.
 */
final class SimStore implements VolumeStore {
    /** The bytes of a volume, whatever it is called. */
    static final class Node {
        private SimContent content;
        private SimDisk disk;
        private VolumeId id;
        private int users;
        private boolean written;

        private Node(SimContent content) {
            this.content = content;
        }
    }

    private record Entry(
            Node node, boolean readOnly, boolean hidden, Map<String, String> attributes) {}

    /** What is left of a store when the power is off. */
    static final class Medium {
        private final Map<VolumeId, Entry> entries = new LinkedHashMap<>();

        /** The volumes that a commit has named, as they are to be; null for those that go. */
        private Map<VolumeId, Entry> journal = Map.of();

        /** What a loss of power goes back to, when a commit that was confirmed is not durable. */
        private Map<VolumeId, Entry> before;

        /** How many volumes there are. */
        int count() {
            return entries.size();
        }

        /** The bytes of all images. */
        List<SimContent> images() {
            return entries.entrySet().stream()
                    .filter(entry -> entry.getKey().kind().isDisk())
                    .map(entry -> entry.getValue().node().content)
                    .toList();
        }
    }

    /** How a commit is to fail. */
    enum Trouble {
        /** It succeeds. */
        NONE,
        /** It fails and has not happened. */
        BEFORE,
        /** It fails and has happened. */
        AFTER
    }

    private final SimMachine machine;
    private final RandomGenerator random;
    private final FaultPlan plan;
    private final Trace trace;
    private final Medium medium;
    private final TreeSabotage sabotage;
    private Trouble trouble = Trouble.NONE;
    private int commitsBeforeTrouble;
    private boolean committing;
    private boolean recovering;
    private boolean full;
    private boolean wasFull;
    private Node lastOpened;

    SimStore(
            SimMachine machine,
            RandomGenerator random,
            FaultPlan plan,
            Trace trace,
            Medium medium,
            TreeSabotage sabotage) {
        this.machine = machine;
        this.random = random;
        this.plan = plan;
        this.trace = trace;
        this.medium = medium;
        this.sabotage = sabotage;
    }

    // ---- what goes wrong

    /** Has a commit fail after so many others. */
    void fail(Trouble how, int commitsBefore) {
        trouble = how;
        commitsBeforeTrouble = commitsBefore;
    }

    /** Has no commit fail. */
    void keepWell() {
        trouble = Trouble.NONE;
        full = false;
    }

    /** Whether a commit is being made. */
    boolean isCommitting() {
        return committing;
    }

    /** Whether it is being put in order. */
    boolean isRecovering() {
        return recovering;
    }

    /** Whether the store is full from now on. */
    void full(boolean isFull) {
        full = isFull;
        wasFull |= isFull;
    }

    /** Whether it was full at some time. */
    boolean wasFull() {
        return wasFull;
    }

    /** Whether there is a volume of this name, once a commit that has happened is finished. */
    boolean isThere(VolumeId id) {
        return medium.journal.containsKey(id)
                ? medium.journal.get(id) != null
                : medium.entries.containsKey(id);
    }

    /** The volume that was opened last. */
    Node lastOpened() {
        return lastOpened;
    }

    /** What a volume is called now. */
    static VolumeId nameOf(Node node) {
        return node.id;
    }

    /** The power went off: of each volume there is what its medium kept. */
    void powerOff(RandomGenerator chance) {
        if (medium.before != null) {
            medium.entries.clear();
            medium.entries.putAll(medium.before);
            medium.before = null;
        }
        for (Entry entry : medium.entries.values()) {
            powerOff(entry.node(), chance);
        }
        for (Entry entry : medium.journal.values()) {
            if (entry != null) {
                powerOff(entry.node(), chance);
            }
        }
    }

    private static void powerOff(Node node, RandomGenerator chance) {
        if (node.disk != null) {
            node.content = node.disk.crash(chance);
            node.disk = null;
        }
        node.users = 0;
        node.written = false;
    }

    // ---- looking

    @Override
    public Set<StoreFeature> features() {
        return Set.of(StoreFeature.SPARSE, StoreFeature.ZEROED);
    }

    @Override
    public StoreSpace space() {
        return new StoreSpace(1L << 40, full ? 1L << 40 : 0);
    }

    @Override
    public List<VolumeInfo> list() {
        return medium.entries.keySet().stream().map(id -> find(id).orElseThrow()).toList();
    }

    @Override
    public String nameOf(VolumeId id) {
        return id.uuid() + "." + id.kind().name().toLowerCase(Locale.ROOT);
    }

    @Override
    public Optional<VolumeId> named(String name) {
        return name.endsWith(".vhd")
                ? Optional.of(
                        new VolumeId(
                                VolumeKind.VHD,
                                UUID.fromString(name.substring(0, name.length() - 4))))
                : Optional.empty();
    }

    @Override
    public Optional<VolumeInfo> find(VolumeId id) {
        return Optional.ofNullable(medium.entries.get(id))
                .map(
                        entry ->
                                new VolumeInfo(
                                        id,
                                        sizeOf(entry.node()),
                                        sizeOf(entry.node()),
                                        entry.readOnly(),
                                        entry.hidden(),
                                        entry.attributes()));
    }

    private static long sizeOf(Node node) {
        return node.disk == null ? node.content.sizeBytes() : node.disk.geometry().sizeBytes();
    }

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        Entry entry = medium.entries.get(id);
        if (entry == null) {
            throw ErrorCode.VDI_NOT_ON_STORAGE.because("there is no volume " + id);
        }
        if (writable && entry.readOnly()) {
            throw ErrorCode.VDI_READONLY.with(id.uuid().toString());
        }
        Node node = entry.node();
        if (writable && node.written) {
            throw ErrorCode.SR_VDI_IN_USE.because(id + " is open for writing already");
        }
        if (node.disk == null) {
            node.disk = new SimDisk(machine.backend(), random, plan, trace, node.content);
        }
        node.id = id;
        node.users++;
        node.written |= writable;
        lastOpened = node;
        return new SimVolume(
                machine.backend(),
                random,
                plan,
                node.disk,
                sabotage.front(node.disk),
                home(node, writable));
    }

    private SimVolume.Home home(Node node, boolean writable) {
        return new SimVolume.Home() {
            @Override
            public VolumeId id() {
                return node.id;
            }

            @Override
            public boolean isFull() {
                return full;
            }

            @Override
            public void closed() {
                node.users--;
                node.written &= !writable;
            }
        };
    }

    // ---- changing

    @Override
    public void commit(List<VolumeChange> changes) {
        finishJournal();
        Map<VolumeId, Entry> after = new LinkedHashMap<>();
        changes.forEach(change -> apply(change, after));
        refuseOpen(after);
        if (after.isEmpty()) {
            return;
        }
        committing = true;
        pause();
        carryOut(changes, after, nextTrouble());
        committing = false;
    }

    private Trouble nextTrouble() {
        if (trouble == Trouble.NONE || commitsBeforeTrouble-- > 0) {
            return Trouble.NONE;
        }
        Trouble how = trouble;
        trouble = Trouble.NONE;
        return how;
    }

    private void carryOut(List<VolumeChange> changes, Map<VolumeId, Entry> after, Trouble how) {
        committing = false;
        refuseWhenFull(changes);
        if (how == Trouble.BEFORE) {
            throw ErrorCode.SR_IO_ERROR.because("the commit failed before it happened");
        }
        committing = true;
        trace.add(40, after.size(), changes.size());
        beLate();
        medium.journal = after;
        machine.backend().mark(SimBackend.Mark.COMMITTED);
        if (how == Trouble.AFTER) {
            committing = false;
            putInPlace(random.nextInt(after.size() + 1));
            throw ErrorCode.SR_IO_ERROR.because("the commit failed after it had happened");
        }
        pause();
        finishJournal();
    }

    private void beLate() {
        long late = sabotage.commitsLateNanos();
        if (late > 0) {
            Map<VolumeId, Entry> before = new LinkedHashMap<>(medium.entries);
            medium.before = medium.before == null ? before : medium.before;
            machine.backend().after(late, () -> medium.before = null);
        }
    }

    private void pause() {
        machine.runFor(plan.delayNanos(random));
    }

    private void refuseWhenFull(List<VolumeChange> changes) {
        boolean onlyDeletes =
                changes.size() == 1 && changes.getFirst() instanceof VolumeChange.Delete;
        if (full && !onlyDeletes) {
            throw ErrorCode.SR_NO_SPACE.because("the store is full");
        }
    }

    private Entry now(VolumeId id, Map<VolumeId, Entry> after) {
        return after.containsKey(id) ? after.get(id) : medium.entries.get(id);
    }

    private Entry existing(VolumeId id, Map<VolumeId, Entry> after) {
        Entry entry = now(id, after);
        if (entry == null) {
            throw ErrorCode.VDI_NOT_ON_STORAGE.because("there is no volume " + id);
        }
        return entry;
    }

    private void refuseExisting(VolumeId id, Map<VolumeId, Entry> after) {
        if (now(id, after) != null) {
            throw ErrorCode.VDI_EXISTS.because("there is already a volume " + id);
        }
    }

    private void apply(VolumeChange change, Map<VolumeId, Entry> after) {
        switch (change) {
            case VolumeChange.Create create -> {
                refuseExisting(create.id(), after);
                Node node = new Node(new SimContent(create.sizeBytes()));
                after.put(create.id(), new Entry(node, false, false, create.attributes()));
            }
            case VolumeChange.Link link -> {
                refuseExisting(link.to(), after);
                after.put(link.to(), existing(link.from(), after));
            }
            case VolumeChange.Rename rename -> {
                Entry entry = existing(rename.from(), after);
                after.put(rename.from(), null);
                after.put(rename.to(), entry);
            }
            case VolumeChange.Delete delete -> {
                if (now(delete.id(), after) != null) {
                    after.put(delete.id(), null);
                }
            }
            case VolumeChange.SetAttributes set -> {
                Entry old = existing(set.id(), after);
                after.put(
                        set.id(),
                        new Entry(old.node(), old.readOnly(), old.hidden(), set.attributes()));
            }
            case VolumeChange.SetMarks set -> {
                Entry old = existing(set.id(), after);
                after.put(
                        set.id(),
                        new Entry(old.node(), set.readOnly(), set.hidden(), old.attributes()));
            }
        }
    }

    /** A volume that is open may get another name, but not lose its last one. */
    private void refuseOpen(Map<VolumeId, Entry> after) {
        for (VolumeId id : after.keySet()) {
            Entry before = medium.entries.get(id);
            if (before != null && before.node().users > 0 && !hasName(before.node(), after)) {
                throw ErrorCode.SR_VDI_IN_USE.because(id + " is open and cannot be removed");
            }
        }
    }

    private static boolean hasName(Node node, Map<VolumeId, Entry> after) {
        return after.values().stream().anyMatch(entry -> entry != null && entry.node() == node);
    }

    private void finishJournal() {
        putInPlace(medium.journal.size());
        medium.journal = Map.of();
    }

    /** New names first, then those go that are to go. */
    private void putInPlace(int count) {
        List<Map.Entry<VolumeId, Entry>> moves = new ArrayList<>(medium.journal.entrySet());
        moves.sort(Comparator.comparing(move -> move.getValue() == null));
        for (Map.Entry<VolumeId, Entry> move : moves.subList(0, count)) {
            if (move.getValue() == null) {
                medium.entries.remove(move.getKey());
            } else {
                medium.entries.put(move.getKey(), move.getValue());
                move.getValue().node().id = move.getKey();
            }
        }
    }

    @Override
    public void recover() {
        recovering = true;
        pause();
        finishJournal();
        pause();
        for (VolumeId id : List.copyOf(medium.entries.keySet())) {
            if (id.kind() == VolumeKind.INCOMING && medium.entries.get(id).node().users == 0) {
                pause();
                medium.entries.remove(id);
            }
        }
        recovering = false;
    }

    @Override
    public void close() {}
}
