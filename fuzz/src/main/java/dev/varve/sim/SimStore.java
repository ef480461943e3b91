// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * A store that keeps to its contract in the worst way that the contract allows.
 *
 * <p>A commit takes time, in which guests go on. Some commits fail: before they have happened;
 * because the store is full; or after they have happened, as far as its kind lets that be seen.
 *
 * <p><b>Threads:</b> one.
 */
abstract class SimStore implements VolumeStore {
    /** The bytes of a volume, whatever it is called. */
    static final class Node {
        private SimDisk.Left left;
        private SimDisk disk;
        private VolumeId id;
        private int users;
        private boolean written;

        private Node(long sizeBytes, SimContent found) {
            SimContent content = new SimContent(sizeBytes);
            if (found != null) {
                content.copyFrom(found, 0, sizeBytes);
            }
            left = new SimDisk.Left(content);
        }

        private long sizeBytes() {
            return disk == null ? left.sizeBytes() : disk.geometry().sizeBytes();
        }
    }

    /** A volume under one of its names. */
    record Entry(Node node, boolean readOnly, boolean hidden, Map<String, String> attributes) {}

    /** What is left of a store when the power is off. */
    static final class Medium {
        private final Map<VolumeId, Entry> entries = new LinkedHashMap<>();

        /**
         * The volumes that a commit has named and that may not be in place yet, as they are to be;
         * null for those that go.
         */
        Map<VolumeId, Entry> journal = Map.of();

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
                    .map(entry -> entry.getValue().node().left.content())
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

    /**
     * What a store is made of.
     *
     * @param server what stands before the medium
     */
    record Setting(
            SimMachine machine,
            RandomGenerator random,
            FaultPlan plan,
            Trace trace,
            Medium medium,
            SimServer server,
            TreeSabotage sabotage) {}

    private final SimMachine machine;
    private final RandomGenerator random;
    private final FaultPlan plan;
    private final Trace trace;
    private final Medium medium;
    private final SimServer server;
    private final TreeSabotage sabotage;
    private Trouble trouble = Trouble.NONE;
    private int commitsBeforeTrouble;
    private boolean committing;
    private boolean ofMerge;
    private boolean recovering;
    private boolean full;
    private boolean wasFull;
    private Node lastOpened;

    SimStore(Setting setting) {
        machine = setting.machine();
        random = setting.random();
        plan = setting.plan();
        trace = setting.trace();
        medium = setting.medium();
        server = setting.server();
        sabotage = setting.sabotage();
    }

    // ---- what kinds of store differ in

    /** Whether changes can be committed while there is no room. */
    abstract boolean fits(List<VolumeChange> changes);

    /**
     * Makes changes that were found to be possible durable, and puts them in place.
     *
     * @param after the volumes that change, as they are to be; null for those that go
     * @param fails whether it fails when they are durable
     */
    abstract void carryOut(Map<VolumeId, Entry> after, boolean fails);

    /** Puts in place what a commit that has happened has left undone. */
    abstract void finish();

    /** How large a volume becomes that is to have the given size, in bytes. */
    long sizeFor(long sizeBytes) {
        return sizeBytes;
    }

    /** What new space of a volume holds, from the start of the volume on; null for zeros. */
    SimContent newSpace() {
        return null;
    }

    /** Whether a volume can become larger by so much. */
    boolean hasRoom(long bytes) {
        return bytes <= 0 || !full;
    }

    /** What stands before the medium. */
    final SimServer server() {
        return server;
    }

    final Medium medium() {
        return medium;
    }

    final FaultPlan plan() {
        return plan;
    }

    final RandomGenerator random() {
        return random;
    }

    /** Lets time go by, as work of the store does. */
    final void pause() {
        machine.runFor(server.downNanos() + plan.delayNanos(random));
    }

    /** The commit that is being carried out cannot be undone any more. */
    final void happened() {
        machine.backend().mark(SimBackend.Mark.COMMITTED);
        markMerge();
    }

    /** Puts a volume in place, or removes it. */
    final void put(VolumeId id, Entry entry) {
        if (entry == null) {
            medium.entries.remove(id);
        } else {
            medium.entries.put(id, entry);
            entry.node().id = id;
        }
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

    /** Whether it is full. */
    final boolean isFull() {
        return full;
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

    /** The power of the host went off: of each volume there is what its medium kept. */
    void powerOff(RandomGenerator chance) {
        if (medium.before != null) {
            medium.entries.clear();
            medium.entries.putAll(medium.before);
            medium.before = null;
        }
        boolean elsewhere = server != SimServer.NONE;
        nodes().forEach(node -> leave(node, elsewhere, chance));
        if (elsewhere && chance.nextInt(3) == 0) {
            restart(chance);
        }
    }

    private static void leave(Node node, boolean elsewhere, RandomGenerator chance) {
        if (node.disk != null) {
            node.left =
                    elsewhere ? node.disk.leave(chance) : new SimDisk.Left(node.disk.crash(chance));
            node.disk = null;
        }
        node.users = 0;
        node.written = false;
    }

    /** The server was restarted. */
    void restart(RandomGenerator chance) {
        for (Node node : nodes()) {
            if (node.disk != null) {
                node.disk.restart(chance);
            } else {
                node.left = SimDisk.restarted(node.left, plan, chance);
            }
        }
    }

    private Set<Node> nodes() {
        Set<Node> nodes = new LinkedHashSet<>();
        medium.entries.values().forEach(entry -> nodes.add(entry.node()));
        medium.journal.values().stream()
                .filter(Objects::nonNull)
                .forEach(entry -> nodes.add(entry.node()));
        return nodes;
    }

    // ---- looking

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
                                        entry.node().sizeBytes(),
                                        entry.node().sizeBytes(),
                                        entry.readOnly(),
                                        entry.hidden(),
                                        entry.attributes()));
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
            node.disk = new SimDisk(machine.backend(), random, plan, trace, node.left, server);
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
            public boolean hasRoom(long bytes) {
                return SimStore.this.hasRoom(bytes);
            }

            @Override
            public SimContent newSpace() {
                return SimStore.this.newSpace();
            }

            @Override
            public long downNanos() {
                return server.downNanos();
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
        finish();
        Map<VolumeId, Entry> after = new LinkedHashMap<>();
        changes.forEach(change -> apply(change, after));
        refuseOpen(after);
        if (after.isEmpty()) {
            return;
        }
        committing = true;
        pause();
        committing = false;
        if (full && !fits(changes)) {
            throw ErrorCode.SR_NO_SPACE.because("the store is full");
        }
        Trouble how = nextTrouble();
        if (how == Trouble.BEFORE) {
            throw ErrorCode.SR_IO_ERROR.because("the commit failed before it happened");
        }
        ofMerge = isOfMerge(changes);
        markMerge();
        committing = true;
        trace.add(40, after.size(), changes.size());
        beLate();
        try {
            carryOut(after, how == Trouble.AFTER);
        } catch (StorageException e) {
            committing = false;
            throw e;
        }
        committing = false;
    }

    private void markMerge() {
        if (ofMerge) {
            machine.backend().mark(SimBackend.Mark.MERGE_STEP);
        }
    }

    /** Plans have journals, and an image that was merged loses its name. */
    private static boolean isOfMerge(List<VolumeChange> changes) {
        return changes.stream()
                .anyMatch(
                        change ->
                                switch (change) {
                                    case VolumeChange.Create create -> isJournal(create.id());
                                    case VolumeChange.Delete delete -> isJournal(delete.id());
                                    case VolumeChange.Rename rename ->
                                            isJournal(rename.from())
                                                    || rename.to().kind() == VolumeKind.INCOMING;
                                    default -> false;
                                });
    }

    private static boolean isJournal(VolumeId id) {
        return id.kind() == VolumeKind.JOURNAL;
    }

    private Trouble nextTrouble() {
        if (trouble == Trouble.NONE || commitsBeforeTrouble-- > 0) {
            return Trouble.NONE;
        }
        Trouble how = trouble;
        trouble = Trouble.NONE;
        return how;
    }

    private void beLate() {
        long late = sabotage.commitsLateNanos();
        if (late > 0) {
            Map<VolumeId, Entry> before = new LinkedHashMap<>(medium.entries);
            medium.before = medium.before == null ? before : medium.before;
            machine.backend().after(late, () -> medium.before = null);
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
                Node node = new Node(sizeFor(create.sizeBytes()), newSpace());
                after.put(create.id(), new Entry(node, false, false, create.attributes()));
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

    @Override
    public void recover() {
        recovering = true;
        pause();
        finish();
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
