// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.vhd.VhdFooter;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Ends what the reference stack has begun, as far as nothing can be lost by it.
 *
 * <table>
 * <caption>what is done</caption>
 * <tr><th>type</th><th>what was begun</th><th>what is done</th></tr>
 * <tr><td>{@code coalesce}</td><td>the data of an image is copied into its parent</td><td>forgotten: what
 * is in the parent so far is hidden by the same data in the image</td></tr>
 * <tr><td>{@code relink}</td><td>the children of an image that is in its parent whole get that as their
 * parent</td><td>forgotten: a child reads the same over either</td></tr>
 * <tr><td>{@code zero}</td><td>the new end of a plain disk is zeroed, from the byte in the value
 * on</td><td>done again</td></tr>
 * <tr><td>{@code inflate}</td><td>a volume grows from the size in the value; nobody has written behind
 * it</td><td>undone: the end footer is where it was, or written there from its copy; then the
 * volume is cut off</td></tr>
 * <tr><td>{@code clone}</td><td>a disk becomes a base copy with two children</td><td>nothing, while
 * there is no base copy; undone, while a child is missing and the base copy is not hidden; else
 * left alone</td></tr>
 * <tr><td>{@code leaf}, {@code jvhd}</td><td>a disk is merged into its parent; an image is
 * resized</td><td>left alone</td></tr>
 * </table>
 *
 * <p>A journal of a disk that is not there is removed, as by the reference stack, but for those
 * that are left alone.
 *
 * <p><b>Durability:</b> bytes are written before the change of the group that removes the journals,
 * and may be written again.
 */
final class ReferenceRepair {
    private static final int FOOTER_HIDDEN_OFFSET = 85;

    private final GroupState state;
    private final GroupChange change;
    private final Function<LogicalVolume, VolumeBytes> bytes;
    private final BiConsumer<LogicalVolume, Long> zeroFrom;

    /**
     * @param zeroFrom zeroes a volume from a byte on; fails with an IllegalArgumentException when
     *     that is none at which a block begins
     */
    ReferenceRepair(
            GroupState state,
            GroupChange change,
            Function<LogicalVolume, VolumeBytes> bytes,
            BiConsumer<LogicalVolume, Long> zeroFrom) {
        this.state = state;
        this.change = change;
        this.bytes = bytes;
        this.zeroFrom = zeroFrom;
    }

    /** Adds to the change what ends these journals; those that remain are returned. */
    List<ReferenceJournal> end(List<ReferenceJournal> journals) {
        List<ReferenceJournal> remaining = new ArrayList<>();
        for (ReferenceJournal journal : journals) {
            if (end(journal)) {
                change.edit.remove(journal.name());
                change.ofGroup = true;
            } else {
                remaining.add(journal);
            }
        }
        return remaining;
    }

    private boolean end(ReferenceJournal journal) {
        return switch (journal.type()) {
            case "coalesce", "relink" -> true;
            case "zero" -> zero(journal);
            case "inflate" -> inflate(journal);
            case "clone" -> cloned(journal);
            default -> false;
        };
    }

    private Optional<LogicalVolume> disk(VolumeKind kind, UUID uuid) {
        return state.volume(new VolumeId(kind, uuid));
    }

    private Optional<LogicalVolume> disk(UUID uuid) {
        return Stream.of(VolumeKind.VHD, VolumeKind.RAW)
                .flatMap(kind -> disk(kind, uuid).stream())
                .findFirst();
    }

    private static Optional<Long> bytes(ReferenceJournal journal) {
        return journal.value().matches("[0-9]{1,18}")
                ? Optional.of(Long.parseLong(journal.value()))
                : Optional.empty();
    }

    private boolean zero(ReferenceJournal journal) {
        Optional<LogicalVolume> volume = disk(VolumeKind.RAW, journal.uuid());
        Optional<Long> from = bytes(journal);
        if (volume.isEmpty()) {
            return disk(journal.uuid()).isEmpty();
        }
        try {
            from.ifPresent(offset -> zeroFrom.accept(volume.get(), offset));
            return from.isPresent();
        } catch (IllegalArgumentException e) {
            // No value that the reference stack writes: a person has to look at it.
            return false;
        }
    }

    private boolean inflate(ReferenceJournal journal) {
        Optional<LogicalVolume> volume = disk(VolumeKind.VHD, journal.uuid());
        Optional<Long> size = bytes(journal);
        if (volume.isEmpty() || size.isEmpty()) {
            return volume.isEmpty();
        }
        long extent = state.group().extentBytes();
        long extents = size.get() / extent;
        if (size.get() % extent != 0 || extents == 0 || !hasFooter(volume.get(), size.get())) {
            return false;
        }
        long more = volume.get().extents() - extents;
        if (more > 0) {
            change.edit.reduce(volume.get().name(), more);
        }
        return true;
    }

    /** Whether the image ends at a size, after its footer was written there if it was missing. */
    private boolean hasFooter(LogicalVolume volume, long size) {
        VolumeBytes image = bytes.apply(volume);
        if (size > image.sizeBytes()) {
            return false;
        }
        if (isFooter(image.read(size - VhdFooter.BYTES, VhdFooter.BYTES))) {
            return true;
        }
        byte[] copy = image.read(0, VhdFooter.BYTES);
        if (isFooter(copy)) {
            image.write(size - VhdFooter.BYTES, copy);
            return true;
        }
        return false;
    }

    private static boolean isFooter(byte[] sector) {
        try {
            VhdFooter.parse(sector, "a footer");
            return true;
        } catch (StorageException e) {
            // That it is none is the answer.
            return false;
        }
    }

    /** The value is {@code <base>_<disk>}, the UUID that of the second child. */
    private boolean cloned(ReferenceJournal journal) {
        String[] parts = journal.value().split("_", -1);
        if (parts.length != 2) {
            return false;
        }
        Optional<LogicalVolume> base = ManagementFields.uuid(parts[0]).flatMap(this::disk);
        Optional<UUID> disk = ManagementFields.uuid(parts[1]);
        if (base.isEmpty()) {
            return disk.flatMap(this::disk).isPresent();
        }
        if (disk.isEmpty() || isHidden(base.get())) {
            return false;
        }
        List<LogicalVolume> children =
                Stream.of(disk.get(), journal.uuid()).flatMap(uuid -> disk(uuid).stream()).toList();
        if (children.size() > 1 || children.stream().anyMatch(child -> !isImage(child))) {
            return false;
        }
        // The disk is paused until both are there and the base copy is hidden: nobody has written.
        children.forEach(child -> change.edit.remove(child.name()));
        String name = base.get().name();
        VolumeKind kind = VolumeNames.parse(name).orElseThrow().kind();
        change.edit.setWritable(name, true);
        change.edit.rename(name, VolumeNames.of(new VolumeId(kind, disk.get())));
        return true;
    }

    private static boolean isImage(LogicalVolume volume) {
        return VolumeNames.parse(volume.name())
                .filter(id -> id.kind() == VolumeKind.VHD)
                .isPresent();
    }

    /** An image is marked hidden when both children are there; then it is no longer only undone. */
    private boolean isHidden(LogicalVolume base) {
        return base.tags().contains(VolumeNames.HIDDEN_TAG)
                || (isImage(base) && bytes.apply(base).read(FOOTER_HIDDEN_OFFSET, 1)[0] != 0);
    }

    /** Why a group with journals that remain is not written. */
    static String reason(List<ReferenceJournal> remaining) {
        return ("The XenServer or XCP-ng host that used this repository before has not ended its"
                        + " work on %s. Attach the repository there once, and it does.")
                .formatted(
                        String.join(", ", remaining.stream().map(ReferenceJournal::name).toList()));
    }
}
