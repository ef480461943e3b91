// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.vdi.block.BlockRequest;

/** Requests in the order in which they came, linked by {@link BlockRequest#next}. */
final class RequestList {
    private BlockRequest first;
    private BlockRequest last;

    boolean isEmpty() {
        return first == null;
    }

    BlockRequest first() {
        return first;
    }

    void add(BlockRequest request) {
        request.next = null;
        if (first == null) {
            first = request;
        } else {
            last.next = request;
        }
        last = request;
    }

    BlockRequest removeFirst() {
        BlockRequest request = first;
        first = request.next;
        request.next = null;
        if (first == null) {
            last = null;
        }
        return request;
    }

    /** Puts all of another list before what is here; the other one is empty afterwards. */
    void addBefore(RequestList other) {
        if (other.first != null) {
            other.last.next = first;
            last = last == null ? other.last : last;
            first = other.first;
            other.first = null;
            other.last = null;
        }
    }
}
