// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Which part of the room for answers holds the answer to which host. An answer stays until its
 * asker has said that it does not need it any more.
 */
final class AnswerRoom {
    private static final int MOST_BLOCKS = ClaimArea.MOST_MESSAGE_BYTES / ClaimArea.ANSWER_BLOCK;

    /** Whether the host in a place may still need the answer to a request. */
    interface Needed {
        boolean test(int slot, long asker, long id);
    }

    private record Part(int block, int blocks, long asker, long id) {}

    private final Map<Integer, Part> parts = new HashMap<>();

    /** Takes over what was answered from the same place before. */
    AnswerRoom(List<Optional<AnswerMark>> marks) {
        for (int slot = 0; slot < marks.size(); slot++) {
            int asker = slot;
            marks.get(slot).ifPresent(mark -> shrink(asker, mark));
        }
    }

    /**
     * Keeps room for the longest answer.
     *
     * @return where it begins; nothing when there is no room yet
     */
    OptionalInt reserve(int slot, long asker, long id, Needed needed) {
        parts.remove(slot);
        parts.entrySet().removeIf(each -> !isNeeded(each.getKey(), each.getValue(), needed));
        BitSet used = new BitSet();
        parts.values().forEach(part -> used.set(part.block(), part.block() + part.blocks()));
        int block = 0;
        while (block + MOST_BLOCKS <= ClaimArea.ANSWER_BLOCKS) {
            int next = used.nextSetBit(block);
            if (next < 0 || next >= block + MOST_BLOCKS) {
                parts.put(slot, new Part(block, MOST_BLOCKS, asker, id));
                return OptionalInt.of(block);
            }
            block = next + 1;
        }
        return OptionalInt.empty();
    }

    private static boolean isNeeded(int slot, Part part, Needed needed) {
        return needed.test(slot, part.asker(), part.id());
    }

    /** Gives back what an answer has not used. */
    void shrink(int slot, AnswerMark mark) {
        int blocks = (mark.length() + ClaimArea.ANSWER_BLOCK - 1) / ClaimArea.ANSWER_BLOCK;
        parts.put(slot, new Part(mark.block(), blocks, mark.asker(), mark.id()));
    }
}
