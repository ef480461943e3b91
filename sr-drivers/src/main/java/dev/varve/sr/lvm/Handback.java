// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Tells what hinders the reference stack from using a repository as it is. It makes the volume of a
 * disk as large as it can ever become before it attaches it, and allows chains of {@value
 * #LONGEST_CHAIN} images.
 */
final class Handback {
    /** How many images a chain may have. */
    static final int LONGEST_CHAIN = 30;

    private static final long BLOCK_BYTES = 2 << 20;
    private static final long BITMAP_BYTES = 4096;

    /** What an empty image takes that may become 2 TiB large. */
    private static final long EMPTY_BYTES = 4_329_472;

    private final GroupState state;
    private final Map<VolumeId, ImageFact> images = new HashMap<>();
    private final List<HandbackFinding> findings = new ArrayList<>();

    private Handback(GroupState state, Collection<ImageFact> images) {
        this.state = state;
        images.forEach(image -> this.images.put(image.id(), image));
    }

    /** What is found in a group with these images. */
    static List<HandbackFinding> findings(GroupState state, Collection<ImageFact> images) {
        Handback handback = new Handback(state, images);
        handback.checkRoom();
        handback.checkChains();
        handback.checkVolumes();
        return List.copyOf(handback.findings);
    }

    private void add(HandbackFinding.Kind kind, String subject, String sentence) {
        findings.add(new HandbackFinding(kind, subject, sentence));
    }

    /** How large the volume of an image is that has all its room, in bytes. */
    static long fullBytes(long virtualBytes, long extentBytes) {
        long blocks = (virtualBytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
        long bytes = virtualBytes + EMPTY_BYTES + blocks * BITMAP_BYTES;
        return (bytes + extentBytes - 1) / extentBytes * extentBytes;
    }

    private void checkRoom() {
        Set<VolumeId> parents = new HashSet<>();
        images.values().forEach(image -> image.parent().ifPresent(parents::add));
        long extent = state.group().extentBytes();
        long needed = 0;
        int small = 0;
        for (LogicalVolume volume : state.group().volumes().values()) {
            long present = volume.extents() * extent;
            long full =
                    state.id(volume.id())
                            .filter(id -> id.kind() == VolumeKind.VHD && !parents.contains(id))
                            .flatMap(id -> Optional.ofNullable(images.get(id)))
                            .map(image -> fullBytes(image.virtualBytes(), extent))
                            .orElse(present);
            needed += Math.max(present, full);
            small += full > present ? 1 : 0;
        }
        long size = state.group().extents() * extent;
        if (needed > size) {
            add(
                    HandbackFinding.Kind.OVER_COMMITTED,
                    state.group().name(),
                    ("all disks together need %d bytes once they have all their room, and the group"
                         + " has %d; %d disks are smaller than that now. Move or delete disks of %d"
                         + " bytes, or enlarge the device.")
                            .formatted(needed, size, small, needed - size));
        }
    }

    private void checkChains() {
        for (ImageFact image : images.values()) {
            int depth = depth(image);
            if (depth > LONGEST_CHAIN) {
                add(
                        HandbackFinding.Kind.CHAIN_TOO_LONG,
                        image.id().toString(),
                        "it rests on %d images; at most %d are allowed. Delete snapshots, and wait for the merges."
                                .formatted(depth - 1, LONGEST_CHAIN - 1));
            }
        }
    }

    private int depth(ImageFact image) {
        Set<VolumeId> seen = new HashSet<>();
        Optional<ImageFact> at = Optional.of(image);
        while (at.isPresent() && seen.add(at.get().id())) {
            at = at.get().parent().map(images::get);
        }
        return seen.size();
    }

    private void checkVolumes() {
        for (VolumeId id : state.ids()) {
            String name = VolumeNames.of(id);
            switch (id.kind()) {
                case JOURNAL, INCOMING ->
                        add(
                                HandbackFinding.Kind.UNFINISHED,
                                name,
                                "work on the repository is under way or was interrupted. Wait for"
                                        + " it to end, or attach the repository again.");
                case META ->
                        add(
                                HandbackFinding.Kind.UNKNOWN_VOLUME,
                                name,
                                "it is ours; remove it with lvremove after the repository was"
                                        + " handed back.");
                case VHD, RAW -> checkText(id);
                case CBT_LOG -> {}
            }
        }
    }

    private void checkText(VolumeId id) {
        Map<String, String> fields =
                ManagementFields.of(id, state.notes(state.volume(id).orElseThrow()), Map.of());
        Map<String, String> written = ManagementFormat.asWritten(fields);
        for (String tag : List.of(ManagementFormat.LABEL, ManagementFormat.DESCRIPTION)) {
            if (!written.get(tag).equals(fields.get(tag))) {
                add(
                        HandbackFinding.Kind.TEXT_CUT,
                        id.toString(),
                        "its %s is too long, or has characters that XML has not; it would read '%s'."
                                .formatted(tag.replace('_', ' '), written.get(tag)));
            }
        }
    }
}
