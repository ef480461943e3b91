// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.spi.SrIdentity;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What a group's own metadata has no place for: attributes of volumes, and the identity of the
 * repository. It is a sequence of {@link AttributeEntry entries} in a logical volume of our own.
 *
 * <p>Each entry begins at a multiple of {@value #UNIT_BYTES} bytes, so no write ever touches an
 * entry that is durable. The log ends where no entry with the next number begins. An entry that
 * goes with a change of the group is written before that change is; it counts if the tag {@code
 * entry-<number>} of the logical volume names it or a later one, and the change sets that tag. So
 * both happen or none, at the moment at which the group's metadata changes. An entry by itself
 * counts as soon as it is whole.
 *
 * <p>Attributes belong to the identifier of a logical volume, which no rename changes, and mean
 * nothing when there is no volume of that identifier. So neither renaming nor removing a volume is
 * written here.
 *
 * <p>When the volume is full, what still means something is written to a new one, and the same
 * change of the group has it take the place of the old. Numbers go on, so what lies in extents that
 * were used before is never taken for an entry.
 *
 * <p><b>Threads:</b> one at a time; it is immutable but for {@link #readOn}.
 */
final class AttributeLog {
    /** Entries begin at multiples of this. */
    static final int UNIT_BYTES = 4096;

    private static final int READ_BYTES = 1 << 20;
    private static final String TAG = "entry-";

    private final LvmId volume;
    private final VolumeBytes bytes;
    private final Map<LvmId, Map<String, String>> attributes = new HashMap<>();
    private SrIdentity identity;
    private Integer managementChecksum;
    private long position;
    private long last;
    private long named;

    private byte[] window = new byte[0];
    private long windowStart;

    /** A log that holds nothing that was read. */
    AttributeLog(LogicalVolume volume, VolumeBytes bytes) {
        this.volume = volume.id();
        this.bytes = bytes;
    }

    /** Reads a log from its beginning. */
    static AttributeLog read(LogicalVolume volume, VolumeBytes bytes) {
        AttributeLog log = new AttributeLog(volume, bytes);
        log.readOn(volume);
        return log;
    }

    /** The tag that says that entries up to a number count. */
    static String tag(long number) {
        return TAG + number;
    }

    /** The number in a tag of the log's volume, 0 when there is none. */
    static long named(LogicalVolume volume) {
        long named = 0;
        for (String tag : volume.tags()) {
            if (isTag(tag)) {
                named = Math.max(named, Long.parseLong(tag.substring(TAG.length())));
            }
        }
        return named;
    }

    /** Whether a tag is one of these. */
    static boolean isTag(String tag) {
        return tag.matches(TAG + "[0-9]{1,18}");
    }

    /** The logical volume that it lies in. */
    LvmId volume() {
        return volume;
    }

    /** The attributes by volume. Not to be changed. */
    Map<LvmId, Map<String, String>> attributes() {
        return attributes;
    }

    /** The identity of the repository, once it was written. */
    Optional<SrIdentity> identity() {
        return Optional.ofNullable(identity);
    }

    /** The checksum of the management volume, if nothing was written since it was noted. */
    Optional<Integer> managementChecksum() {
        return Optional.ofNullable(managementChecksum);
    }

    /** The number of the last entry that counts. */
    long last() {
        return last;
    }

    /** The number of the last entry that the group says counts. */
    long named() {
        return named;
    }

    /** Where the next entry goes, in bytes. */
    long position() {
        return position;
    }

    /** Whether an entry that counts could not be read. */
    boolean isDamaged() {
        return last < named;
    }

    /** Whether there is room for an entry of a length. */
    boolean hasRoom(long length) {
        return length <= bytes.sizeBytes() - position;
    }

    /** Reads what was written since, by this or another daemon. */
    void readOn(LogicalVolume now) {
        named = named(now);
        window = new byte[0];
        Optional<AttributeEntry> next = next();
        while (next.isPresent()) {
            take(next.get());
            next = next();
        }
        window = new byte[0];
    }

    private Optional<AttributeEntry> next() {
        if (!hasRoom(AttributeEntry.HEADER_BYTES)) {
            return Optional.empty();
        }
        return AttributeEntry.length(peek(AttributeEntry.HEADER_BYTES))
                .filter(this::hasRoom)
                .flatMap(length -> AttributeEntry.decode(peek(length.intValue())))
                .filter(this::counts);
    }

    private boolean counts(AttributeEntry entry) {
        boolean follows = last == 0 ? entry.number() > 0 : entry.number() == last + 1;
        return follows && (!entry.withGroup() || entry.number() <= named);
    }

    /** Bytes from the present position on, read in large pieces. */
    private byte[] peek(int length) {
        long start = position - windowStart;
        if (start < 0 || start + length > window.length) {
            long ahead = Math.max(length, position == 0 ? READ_BYTES : UNIT_BYTES);
            window = bytes.read(position, (int) Math.min(ahead, bytes.sizeBytes() - position));
            windowStart = position;
            start = 0;
        }
        return Arrays.copyOfRange(window, (int) start, (int) start + length);
    }

    private void take(AttributeEntry entry) {
        apply(entry);
        long length = AttributeEntry.length(peek(AttributeEntry.HEADER_BYTES)).orElseThrow();
        advance(length);
    }

    private void apply(AttributeEntry entry) {
        managementChecksum = null;
        for (AttributeRecord record : entry.records()) {
            switch (record) {
                case AttributeRecord.OfVolume of -> attributes.put(of.volume(), of.attributes());
                case AttributeRecord.OfRepository of -> identity = of.identity();
                case AttributeRecord.OfManagement of -> managementChecksum = of.checksum();
            }
        }
        last = entry.number();
    }

    private void advance(long length) {
        position += roundUp(length);
    }

    private static long roundUp(long length) {
        return (length + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
    }

    /**
     * Writes an entry where the log ends. What lies behind it may be of a longer entry that came to
     * nothing; the next place is made empty, so that no text in it is ever taken for an entry.
     */
    void write(byte[] entry) {
        long end = roundUp(entry.length) + UNIT_BYTES;
        bytes.write(
                position, Arrays.copyOf(entry, (int) Math.min(end, bytes.sizeBytes() - position)));
    }

    /** Takes note that an entry that was written counts now. */
    void wrote(AttributeEntry entry, long length) {
        apply(entry);
        named = Math.max(named, entry.withGroup() ? entry.number() : 0);
        advance(length);
    }
}
