// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.store.CommitPlan;
import dev.varve.sr.store.VolumeNotes;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;

/**
 * Turns changes of volumes into changes of the group and of the log.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class CommitTranslation {
    private final GroupState state;
    private final GroupChange change;
    private final GroupEdit edit;
    private final Predicate<LvmId> recorded;
    private final UUID host;

    /**
     * @param recorded whether the log says something about a volume
     * @param host who makes what is new
     */
    CommitTranslation(GroupState state, GroupChange change, Predicate<LvmId> recorded, UUID host) {
        this.state = state;
        this.change = change;
        this.edit = change.edit;
        this.recorded = recorded;
        this.host = host;
    }

    /**
     * Translates changes, or refuses them.
     *
     * @param open whether a volume is open here
     */
    void translate(List<VolumeChange> changes, Predicate<LvmId> open) {
        CommitPlan plan = CommitPlan.of(changes, new Present(state, open));
        remove(plan);
        move(plan);
        create(plan);
        plan.after().forEach((id, node) -> node.ifPresent(present -> note(id, present.notes())));
    }

    /** Refuses changes, before somebody else makes them, that would remove what is open here. */
    static void requireNotOpen(
            List<VolumeChange> changes, GroupState state, Predicate<LvmId> open) {
        CommitPlan.of(changes, new Present(state, open));
    }

    /** What there is before the changes. */
    private record Present(GroupState state, Predicate<LvmId> open) implements CommitPlan.Present {

        @Override
        public Optional<VolumeNotes> notes(VolumeId id) {
            return state.volume(id).map(state::notes);
        }

        @Override
        public boolean isOpen(VolumeId id) {
            return state.volume(id).map(LogicalVolume::id).filter(open).isPresent();
        }
    }

    /** Where the bytes of a volume were before the changes, if they were there. */
    private static Optional<VolumeId> source(CommitPlan.Node node) {
        return node.content() instanceof CommitPlan.Content.Existing existing
                ? Optional.of(existing.id())
                : Optional.empty();
    }

    private void remove(CommitPlan plan) {
        Set<VolumeId> kept = new HashSet<>();
        plan.after()
                .values()
                .forEach(node -> node.flatMap(CommitTranslation::source).ifPresent(kept::add));
        for (VolumeId id : plan.after().keySet()) {
            if (plan.before(id).isPresent() && !kept.contains(id)) {
                edit.remove(VolumeNames.of(id));
                touch(id);
            }
        }
    }

    private void touch(VolumeId id) {
        change.ofGroup = true;
        change.touched.add(id);
    }

    /** Two steps, so that volumes may take each other's names. */
    private void move(CommitPlan plan) {
        Map<VolumeId, VolumeId> moves = new LinkedHashMap<>();
        plan.after()
                .forEach(
                        (id, node) ->
                                node.flatMap(CommitTranslation::source)
                                        .filter(from -> !from.equals(id))
                                        .ifPresent(from -> moves.put(from, id)));
        List<String> names = new ArrayList<>();
        for (VolumeId from : moves.keySet()) {
            String moving = VolumeNames.moving(names.size());
            edit.rename(VolumeNames.of(from), moving);
            names.add(moving);
            touch(from);
        }
        int number = 0;
        for (Map.Entry<VolumeId, VolumeId> move : moves.entrySet()) {
            String name = VolumeNames.of(move.getValue());
            edit.rename(names.get(number++), name);
            retag(name, move.getKey(), move.getValue());
            touch(move.getValue());
        }
    }

    private void retag(String name, VolumeId from, VolumeId to) {
        if (from.kind() == to.kind()) {
            return;
        }
        for (String tag : edit.volume(name).orElseThrow().tags()) {
            if (VolumeNames.isOfKind(tag)) {
                edit.removeTag(name, tag);
            }
        }
        VolumeNames.tags(to.kind(), host).forEach(tag -> edit.addTag(name, tag));
    }

    private void create(CommitPlan plan) {
        plan.after()
                .forEach(
                        (id, node) ->
                                node.map(CommitPlan.Node::content)
                                        .filter(CommitPlan.Content.Zeros.class::isInstance)
                                        .map(CommitPlan.Content.Zeros.class::cast)
                                        .ifPresent(zeros -> create(id, zeros.sizeBytes())));
    }

    private void create(VolumeId id, long sizeBytes) {
        edit.create(
                VolumeNames.of(id),
                extents(sizeBytes, state.group().extentBytes()),
                VolumeNames.tags(id.kind(), host));
        touch(id);
    }

    /** How many extents a size takes; an empty volume is one extent large. */
    static long extents(long sizeBytes, long extentBytes) {
        return Math.max(1, sizeBytes / extentBytes + (sizeBytes % extentBytes == 0 ? 0 : 1));
    }

    private void note(VolumeId id, VolumeNotes notes) {
        String name = VolumeNames.of(id);
        LogicalVolume volume = edit.volume(name).orElseThrow();
        VolumeNotes before = state.notes(volume);
        if (before.readOnly() != notes.readOnly()) {
            edit.setWritable(name, !notes.readOnly());
            touch(id);
        }
        if (notes.hidden() && !before.hidden()) {
            edit.addTag(name, VolumeNames.HIDDEN_TAG);
            touch(id);
        }
        if (!notes.hidden() && before.hidden()) {
            edit.removeTag(name, VolumeNames.HIDDEN_TAG);
            touch(id);
        }
        // What is said of a disk counts before what the management volume says, even if it is
        // nothing.
        boolean unsaid = id.kind().isDisk() && !recorded.test(volume.id());
        if (unsaid || !before.attributes().equals(notes.attributes())) {
            change.records.add(new AttributeRecord.OfVolume(volume.id(), notes.attributes()));
            change.touched.add(id);
        }
    }
}
