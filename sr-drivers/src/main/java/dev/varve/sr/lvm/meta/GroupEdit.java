// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.UnaryOperator;

/**
 * Changes that make the next group of one that was read. Nothing is written: {@link #done()} gives
 * the group that a commit makes durable, all of it or nothing.
 *
 * <p>New extents are taken where they follow the volume's last ones; else from the smallest free
 * run that has room for all of them; else from as few runs as possible. Extents that come free in
 * an edit are not given out again in the same one, because they still hold data of the group that a
 * crash would leave. {@link #taken()} tells which runs were given out: whoever must not see old
 * data there zeroes them before the commit. {@link #freed()} tells which may be discarded after it.
 *
 * <p>A change that fails leaves the edit as it was.
 *
 * <p><b>Threads:</b> one at a time.
 *
 * <p><b>Errors:</b> a name, tag or number that can never be right is an IllegalArgumentException;
 * else a {@link dev.varve.vdi.StorageException}: VOLUME_NOT_FOUND, LVM_CREATE when the name is in
 * use, SR_NO_SPACE, LVM_RESIZE.
 */
public final class GroupEdit {
    private final VolumeGroup group;
    private final Author author;
    private final SequencedMap<String, LogicalVolume> volumes;
    private final FreeIndex free;
    private final List<ExtentRun> taken = new ArrayList<>();
    private final List<ExtentRun> freed = new ArrayList<>();
    private List<String> tags;
    private boolean over;

    /**
     * Begins to change a group.
     *
     * @throws dev.varve.vdi.StorageException SR_NOT_WRITABLE with {@link VolumeGroup#refusal()}
     */
    public GroupEdit(VolumeGroup group, Author author) {
        Optional<String> refusal = group.refusal();
        if (refusal.isPresent()) {
            throw ErrorCode.SR_NOT_WRITABLE.because(refusal.get());
        }
        this.group = group;
        this.author = author;
        this.volumes = new LinkedHashMap<>(group.volumes());
        this.free = new FreeIndex(group.physicalVolumes(), group.free());
        this.tags = group.tags();
    }

    /** Begins to change a group, as this host. */
    public GroupEdit(VolumeGroup group) {
        this(group, Author.system());
    }

    /** How many extents can still be taken in this edit. */
    public long freeExtents() {
        return free.total();
    }

    /** The volume of a name, as it is with the changes so far. */
    public Optional<LogicalVolume> volume(String name) {
        return Optional.ofNullable(volumes.get(name));
    }

    /** All volumes, as they are with the changes so far. */
    public Collection<LogicalVolume> volumes() {
        return Collections.unmodifiableCollection(volumes.values());
    }

    // ---- volumes

    /** Makes a linear volume that may be written. */
    public LogicalVolume create(String name, long extents, List<String> volumeTags) {
        LvmNames.checkVolume(group.name(), name);
        volumeTags.forEach(LvmNames::checkTag);
        requirePositive(extents);
        requireUnused(name);
        List<Segment> segments = allocate(name, List.of(), extents);
        LogicalVolume volume =
                new LogicalVolume(
                        name,
                        LvmId.random(author.random()),
                        new LogicalVolume.Marks(
                                List.of("READ", "WRITE", "VISIBLE"),
                                List.of(),
                                volumeTags.stream().distinct().toList()),
                        author.host(),
                        author.seconds(),
                        segments,
                        Map.of());
        volumes.put(name, volume);
        return volume;
    }

    /** Adds extents at the end of a volume. */
    public LogicalVolume extend(String name, long extents) {
        requirePositive(extents);
        LogicalVolume volume = require(name);
        return replace(volume.withSegments(allocate(name, volume.segments(), extents)));
    }

    /** Takes extents away at the end of a volume, which keeps at least one. */
    public LogicalVolume reduce(String name, long extents) {
        requirePositive(extents);
        LogicalVolume volume = require(name);
        if (extents >= volume.extents()) {
            throw ErrorCode.LVM_RESIZE.because(
                    "cannot take %d extents from the logical volume '%s' of '%s', which has %d"
                            .formatted(extents, name, group.name(), volume.extents()));
        }
        return replace(volume.withSegments(cut(volume.segments(), extents)));
    }

    /** Gives a volume another name, which nobody may have. */
    public LogicalVolume rename(String name, String newName) {
        LvmNames.checkVolume(group.name(), newName);
        LogicalVolume volume = require(name);
        requireUnused(newName);
        volumes.remove(name);
        return replace(volume.withName(newName));
    }

    /** Removes a volume; its extents come free with the commit. */
    public void remove(String name) {
        require(name).segments().forEach(segment -> freed.addAll(segment.runs()));
        volumes.remove(name);
    }

    /** Has a volume be writable or not; LVM itself, not only its users, keeps to that. */
    public LogicalVolume setWritable(String name, boolean writable) {
        LogicalVolume volume = require(name);
        List<String> status = new ArrayList<>(volume.status());
        status.remove("WRITE");
        if (writable) {
            status.add(Math.min(1, status.size()), "WRITE");
        }
        return replace(volume.withStatus(status));
    }

    // ---- tags

    /** Marks a volume with a tag; nothing changes when it has it. */
    public LogicalVolume addTag(String name, String tag) {
        LvmNames.checkTag(tag);
        return retag(name, known -> with(known, tag));
    }

    /** Takes a tag from a volume; nothing changes when it does not have it. */
    public LogicalVolume removeTag(String name, String tag) {
        return retag(name, known -> without(known, tag));
    }

    private LogicalVolume retag(String name, UnaryOperator<List<String>> change) {
        LogicalVolume volume = require(name);
        return replace(volume.withTags(change.apply(volume.tags())));
    }

    /** Marks the group with a tag; nothing changes when it has it. */
    public void addGroupTag(String tag) {
        LvmNames.checkTag(tag);
        tags = with(tags, tag);
    }

    /** Takes a tag from the group; nothing changes when it does not have it. */
    public void removeGroupTag(String tag) {
        tags = without(tags, tag);
    }

    private static List<String> with(List<String> known, String tag) {
        if (known.contains(tag)) {
            return known;
        }
        List<String> more = new ArrayList<>(known);
        more.add(tag);
        return List.copyOf(more);
    }

    private static List<String> without(List<String> known, String tag) {
        return known.stream().filter(other -> !other.equals(tag)).toList();
    }

    // ---- what became of it

    /** The runs that were given out, in the order in which that was done. */
    public List<ExtentRun> taken() {
        return List.copyOf(taken);
    }

    /**
     * The runs that come free with the commit. A run that was given out in the same edit can be
     * among them.
     */
    public List<ExtentRun> freed() {
        return List.copyOf(freed);
    }

    /** The next group. The edit is over then. */
    public VolumeGroup done() {
        if (over) {
            throw new IllegalStateException("this edit is over");
        }
        over = true;
        freed.forEach(free::give);
        return group.next(group.head().next(tags), volumes, free.snapshot());
    }

    // ---- extents

    private List<Segment> allocate(String name, List<Segment> segments, long extents) {
        if (extents > free.total()) {
            throw noSpace(name, extents);
        }
        List<Segment> grown = new ArrayList<>(segments);
        long rest = extents - takeBehind(grown, extents);
        while (rest > 0) {
            ExtentRun run = free.smallest(rest).orElseGet(free::largest);
            rest -= take(grown, run, rest);
        }
        return grown;
    }

    /**
     * Takes what follows the last extent of a volume. Part of what is needed is taken only when no
     * free run has all of it: a run behind then saves a piece.
     */
    private long takeBehind(List<Segment> segments, long extents) {
        if (segments.isEmpty() || !(segments.getLast() instanceof Segment.Linear last)) {
            return 0;
        }
        Optional<ExtentRun> behind = free.at(last.pv(), last.run().end());
        boolean wanted =
                behind.isPresent()
                        && (behind.get().count() >= extents || free.smallest(extents).isEmpty());
        return wanted ? take(segments, behind.get(), extents) : 0;
    }

    /** Takes of a run what is needed; a run that follows the last segment makes that longer. */
    private long take(List<Segment> segments, ExtentRun run, long needed) {
        ExtentRun part = run.first(Math.min(needed, run.count()));
        free.take(run, part.count());
        taken.add(part);
        Segment.Linear last =
                !segments.isEmpty() && segments.getLast() instanceof Segment.Linear linear
                        ? linear
                        : null;
        if (last != null && last.pv().equals(part.pv()) && last.run().end() == part.start()) {
            segments.removeLast();
            segments.add(longer(last, part.count()));
        } else {
            long start = segments.isEmpty() ? 0 : segments.getLast().endExtent();
            segments.add(new Segment.Linear(start, part.count(), part.pv(), part.start()));
        }
        return part.count();
    }

    private static Segment.Linear longer(Segment.Linear segment, long extents) {
        return new Segment.Linear(
                segment.startExtent(),
                segment.extentCount() + extents,
                segment.pv(),
                segment.pvExtent());
    }

    private List<Segment> cut(List<Segment> segments, long extents) {
        List<Segment> kept = new ArrayList<>(segments);
        for (long rest = extents; rest > 0; ) {
            Segment.Linear last = (Segment.Linear) kept.removeLast();
            long part = Math.min(rest, last.extentCount());
            long left = last.extentCount() - part;
            freed.add(new ExtentRun(last.pv(), last.pvExtent() + left, part));
            if (left > 0) {
                kept.add(new Segment.Linear(last.startExtent(), left, last.pv(), last.pvExtent()));
            }
            rest -= part;
        }
        return kept;
    }

    // ---- checks

    private RuntimeException noSpace(String name, long extents) {
        return ErrorCode.SR_NO_SPACE.because(
                "the volume group '%s' has %d free extents of %d bytes; '%s' needs %d"
                        .formatted(group.name(), free.total(), group.extentBytes(), name, extents));
    }

    private LogicalVolume require(String name) {
        LogicalVolume volume = volumes.get(name);
        if (volume == null) {
            throw ErrorCode.VOLUME_NOT_FOUND.because(
                    "there is no logical volume '%s' in '%s'".formatted(name, group.name()));
        }
        return volume;
    }

    private void requireUnused(String name) {
        if (volumes.containsKey(name)) {
            throw ErrorCode.LVM_CREATE.because(
                    "there is already a logical volume '%s' in '%s'".formatted(name, group.name()));
        }
    }

    private static void requirePositive(long extents) {
        if (extents <= 0) {
            throw new IllegalArgumentException("cannot take %d extents".formatted(extents));
        }
    }

    private LogicalVolume replace(LogicalVolume volume) {
        volumes.put(volume.name(), volume);
        return volume;
    }
}
