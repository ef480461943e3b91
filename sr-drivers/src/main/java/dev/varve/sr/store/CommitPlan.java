// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.store;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The net effect of a list of changes: for every volume that they name, what it is afterwards.
 * Nothing is written while it is worked out, so a change that cannot be made has changed nothing.
 *
 * <p>The net effect names each volume once, so that its steps are independent of each other:
 * swapping two volumes through a third name is two moves.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class CommitPlan {
    /** Where the bytes of a volume come from. */
    public sealed interface Content {
        /** A volume that was there before. */
        record Existing(VolumeId id) implements Content {}

        /** New space that reads as zero. */
        record Zeros(long sizeBytes) implements Content {}
    }

    /** A volume: its bytes and what is known about it. */
    public record Node(Content content, VolumeNotes notes) {}

    /** What there is before the changes. */
    public interface Present {
        /** What is known about a volume; nothing when there is none. */
        Optional<VolumeNotes> notes(VolumeId id);

        /** Whether a volume may not be removed or replaced because it is open. */
        boolean isOpen(VolumeId id);
    }

    private final Present present;
    private final Map<VolumeId, Optional<Node>> before = new LinkedHashMap<>();
    private final Map<VolumeId, Optional<Node>> after = new LinkedHashMap<>();
    private final Map<VolumeId, VolumeId> renamed = new LinkedHashMap<>();

    private CommitPlan(Present present) {
        this.present = present;
    }

    /** Works out what the changes do, or refuses them. */
    public static CommitPlan of(List<VolumeChange> changes, Present present) {
        CommitPlan plan = new CommitPlan(present);
        changes.forEach(plan::apply);
        plan.refuseOpen();
        return plan;
    }

    /** The volumes that the changes name, as they are afterwards; nothing for what is gone. */
    public Map<VolumeId, Optional<Node>> after() {
        return after;
    }

    /** What a volume was before. */
    public Optional<Node> before(VolumeId id) {
        return before.get(id);
    }

    /** The volumes that have another name afterwards, by their former names. */
    public Map<VolumeId, VolumeId> renamed() {
        return renamed;
    }

    private void apply(VolumeChange change) {
        switch (change) {
            case VolumeChange.Create create -> create(create);
            case VolumeChange.Rename rename -> rename(rename.from(), rename.to());
            case VolumeChange.Delete delete -> {
                now(delete.id());
                after.put(delete.id(), Optional.empty());
            }
            case VolumeChange.SetAttributes set -> {
                Node node = existing(set.id());
                put(set.id(), with(node, node.notes().withAttributes(set.attributes())));
            }
            case VolumeChange.SetMarks set -> {
                Node node = existing(set.id());
                put(set.id(), with(node, node.notes().withMarks(set.readOnly(), set.hidden())));
            }
        }
    }

    private void create(VolumeChange.Create create) {
        if (create.sizeBytes() < 0) {
            throw ErrorCode.VDI_SIZE.because(
                    create.id() + " cannot have a size of " + create.sizeBytes() + " bytes");
        }
        refuseExisting(create.id());
        VolumeNotes notes = VolumeNotes.NONE.withAttributes(create.attributes());
        put(create.id(), new Node(new Content.Zeros(create.sizeBytes()), notes));
    }

    private void rename(VolumeId from, VolumeId to) {
        Node node = existing(from);
        if (from.equals(to)) {
            return;
        }
        now(to);
        after.put(from, Optional.empty());
        put(to, node);
    }

    private static Node with(Node node, VolumeNotes notes) {
        return new Node(node.content(), notes);
    }

    private void put(VolumeId id, Node node) {
        after.put(id, Optional.of(node));
    }

    private Optional<Node> now(VolumeId id) {
        return after.computeIfAbsent(
                id,
                key -> {
                    Optional<Node> found =
                            present.notes(key)
                                    .map(notes -> new Node(new Content.Existing(key), notes));
                    before.put(key, found);
                    return found;
                });
    }

    private Node existing(VolumeId id) {
        return now(id).orElseThrow(
                        () -> ErrorCode.VDI_NOT_ON_STORAGE.because("there is no volume " + id));
    }

    private void refuseExisting(VolumeId id) {
        if (now(id).isPresent()) {
            throw ErrorCode.VDI_EXISTS.because("there is already a volume " + id);
        }
    }

    /** An open volume may get another name, and lives on; it may not be removed. */
    private void refuseOpen() {
        after.forEach(
                (id, node) ->
                        node.map(Node::content)
                                .filter(Content.Existing.class::isInstance)
                                .map(content -> ((Content.Existing) content).id())
                                .filter(source -> !source.equals(id))
                                .filter(source -> lost(source))
                                .ifPresent(source -> renamed.putIfAbsent(source, id)));
        for (VolumeId id : after.keySet()) {
            boolean gone = before.get(id).isPresent() && lost(id) && !renamed.containsKey(id);
            if (gone && present.isOpen(id)) {
                throw ErrorCode.SR_VDI_IN_USE.because(
                        id + " is open and cannot be removed or replaced; close it first");
            }
        }
    }

    /** Whether a name does not stand for the bytes any more that it stood for before. */
    private boolean lost(VolumeId id) {
        return !after.get(id)
                .map(node -> node.content().equals(new Content.Existing(id)))
                .orElse(false);
    }
}
