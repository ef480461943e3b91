// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A store of files in a directory.
 *
 * <p>A commit happens when its journal is durable; a loss of power before that leaves nothing of
 * it, one after that leaves work for {@link #recover()}. One that fails after it has happened
 * leaves any part of it in place, and the next commit finishes it.
 */
final class FileSimStore extends SimStore {
    FileSimStore(Setting setting) {
        super(setting);
    }

    @Override
    public Set<StoreFeature> features() {
        return Set.of(StoreFeature.SPARSE, StoreFeature.ZEROED);
    }

    /** One name can be removed without a journal, which would need room. */
    @Override
    boolean fits(List<VolumeChange> changes) {
        return changes.size() == 1 && changes.getFirst() instanceof VolumeChange.Delete;
    }

    @Override
    void carryOut(Map<VolumeId, Entry> after, boolean fails) {
        medium().journal = new LinkedHashMap<>(after);
        happened();
        if (fails) {
            putInPlace(random().nextInt(after.size() + 1));
            throw ErrorCode.SR_IO_ERROR.because("the commit failed after it had happened");
        }
        pause();
        finish();
    }

    @Override
    void finish() {
        putInPlace(medium().journal.size());
        medium().journal = Map.of();
    }

    /** New names first, then those go that are to go. */
    private void putInPlace(int count) {
        List<Map.Entry<VolumeId, Entry>> moves = new ArrayList<>(medium().journal.entrySet());
        moves.sort(Comparator.comparing(move -> move.getValue() == null));
        for (Map.Entry<VolumeId, Entry> move : moves.subList(0, count)) {
            put(move.getKey(), move.getValue());
        }
    }
}
