// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Makes requests fail, or never end, by rules.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class FaultFilter extends BlockFilter {
    /**
     * Which requests are struck and what happens to them.
     *
     * @param ops the kinds of request
     * @param fromOffset the start of the range, in bytes
     * @param toOffset the end of the range, in bytes, not included
     * @param status how they end; null means that they do not end until {@link #releaseHung()}
     */
    public record Rule(Set<BlockOp> ops, long fromOffset, long toOffset, IoStatus status) {
        /** Copies the set. */
        public Rule {
            ops = Set.copyOf(ops);
        }

        /** A rule for the whole device. */
        public static Rule everywhere(Set<BlockOp> ops, IoStatus status) {
            return new Rule(ops, 0, Long.MAX_VALUE, status);
        }

        /** A rule under which requests never end. */
        public static Rule hang(Set<BlockOp> ops) {
            return everywhere(ops, null);
        }

        private boolean strikes(BlockRequest request) {
            return ops.contains(request.op)
                    && (request.op == BlockOp.FLUSH
                            || (request.offset < toOffset
                                    && fromOffset < request.offset + request.length));
        }
    }

    private final List<Rule> rules = new ArrayList<>();
    private final ArrayDeque<BlockRequest> hung = new ArrayDeque<>();

    /** A filter without rules. */
    public FaultFilter() {}

    /** Adds a rule; the first that fits a request is applied. */
    public void add(Rule rule) {
        rules.add(rule);
    }

    /** Removes all rules; hung requests stay so. */
    public void clear() {
        rules.clear();
    }

    /** How many requests do not end. */
    public int hungCount() {
        return hung.size();
    }

    /** Lets the requests that did not end go on to the device. */
    public void releaseHung() {
        for (BlockRequest request = hung.poll(); request != null; request = hung.poll()) {
            next().submit(request);
        }
    }

    @Override
    public void submit(BlockRequest request) {
        for (Rule rule : rules) {
            if (rule.strikes(request)) {
                strike(request, rule.status);
                return;
            }
        }
        next().submit(request);
    }

    private void strike(BlockRequest request, IoStatus status) {
        if (status == null) {
            hung.add(request);
        } else {
            request.complete(status);
        }
    }
}
