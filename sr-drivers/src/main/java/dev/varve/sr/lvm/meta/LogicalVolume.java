// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.List;
import java.util.Map;

/**
 * A logical volume: a name, marks, and the segments that say where its extents lie.
 *
 * <p><b>Threads:</b> any; immutable.
 */
public final class LogicalVolume {
    private final String name;
    private final LvmId id;
    private final Marks marks;
    private final String creationHost;
    private final long creationTime;
    private final List<Segment> segments;
    private final Map<String, ConfigNode> other;
    private byte[] text;

    /**
     * What a volume is marked with.
     *
     * @param status words that a program has to know: READ, WRITE, VISIBLE and more
     * @param flags words that a program need not know
     * @param tags free words
     */
    record Marks(List<String> status, List<String> flags, List<String> tags) {
        Marks {
            status = List.copyOf(status);
            flags = List.copyOf(flags);
            tags = List.copyOf(tags);
        }
    }

    /**
     * @param creationHost empty when it is not known
     * @param creationTime in seconds since 1970, 0 when it is not known
     * @param segments in the order of their extents, without gaps, from extent 0
     */
    LogicalVolume(
            String name,
            LvmId id,
            Marks marks,
            String creationHost,
            long creationTime,
            List<Segment> segments,
            Map<String, ConfigNode> other) {
        this.name = name;
        this.id = id;
        this.marks = marks;
        this.creationHost = creationHost;
        this.creationTime = creationTime;
        this.segments = List.copyOf(segments);
        this.other = other;
    }

    /** Its name within the group. */
    public String name() {
        return name;
    }

    /** Its identifier, which a rename does not change. */
    public LvmId id() {
        return id;
    }

    /** What is set of READ, WRITE, VISIBLE and the words of volumes that are not served here. */
    public List<String> status() {
        return marks.status();
    }

    /** Marks that a program need not know. */
    public List<String> flags() {
        return marks.flags();
    }

    /** Its tags, in order. */
    public List<String> tags() {
        return marks.tags();
    }

    /** The name of the host that made it; empty when that is not known. */
    public String creationHost() {
        return creationHost;
    }

    /** When it was made, in seconds since 1970; 0 when that is not known. */
    public long creationTime() {
        return creationTime;
    }

    /** Its segments, in the order of its extents. */
    public List<Segment> segments() {
        return segments;
    }

    /** What else the group says about it. */
    Map<String, ConfigNode> other() {
        return other;
    }

    /** How many extents it has. */
    public long extents() {
        return segments.isEmpty() ? 0 : segments.getLast().endExtent();
    }

    /** Whether it may be written. */
    public boolean isWritable() {
        return marks.status().contains("WRITE");
    }

    /** Whether all of its segments are linear, so that it is served here. */
    public boolean isLinear() {
        for (Segment segment : segments) {
            if (!(segment instanceof Segment.Linear)) {
                return false;
            }
        }
        return true;
    }

    /** Its section of the text; made once, since a commit writes every volume of the group. */
    byte[] text() {
        // Threads may make it twice; they make the same.
        byte[] known = text;
        if (known == null) {
            known = GroupText.of(this);
            text = known;
        }
        return known;
    }

    LogicalVolume withName(String newName) {
        return new LogicalVolume(newName, id, marks, creationHost, creationTime, segments, other);
    }

    LogicalVolume withStatus(List<String> status) {
        return with(new Marks(status, marks.flags(), marks.tags()));
    }

    LogicalVolume withTags(List<String> tags) {
        return with(new Marks(marks.status(), marks.flags(), tags));
    }

    private LogicalVolume with(Marks newMarks) {
        return new LogicalVolume(name, id, newMarks, creationHost, creationTime, segments, other);
    }

    LogicalVolume withSegments(List<Segment> newSegments) {
        return new LogicalVolume(name, id, marks, creationHost, creationTime, newSegments, other);
    }

    @Override
    public String toString() {
        return name + segments;
    }
}
