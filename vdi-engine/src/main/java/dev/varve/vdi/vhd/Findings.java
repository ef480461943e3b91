// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.vhd.VhdFinding.Weight;

import java.util.ArrayList;
import java.util.List;

/**
 * What a check has found so far. A table full of nonsense does not fill the memory: beyond a number
 * findings are only counted.
 */
final class Findings {
    static final String DAMAGED = "the image is damaged: restore it from a copy";
    static final String UNUSUAL =
            "strict programs refuse that; copy the disk to a new image to have one in order";

    private static final int MOST = 100;

    private final List<VhdFinding> all = new ArrayList<>();
    private Weight worst = Weight.NOTE;
    private long more;

    /** Notes that the image is not in order, unless the condition holds, which is given back. */
    boolean require(boolean holds, String where, String what, String advice) {
        if (!holds) {
            add(Weight.INVALID, where, what, advice);
        }
        return holds;
    }

    void add(Weight weight, String where, String what, String advice) {
        worst = weight.compareTo(worst) > 0 ? weight : worst;
        if (all.size() < MOST) {
            all.add(new VhdFinding(weight, where, what, advice));
        } else {
            more++;
        }
    }

    boolean isInvalid() {
        return worst == Weight.INVALID;
    }

    List<VhdFinding> list() {
        List<VhdFinding> list = new ArrayList<>(all);
        if (more > 0) {
            String what = "has " + more + " more findings, which are not listed";
            list.add(new VhdFinding(worst, "the image", what, "begin with the first ones"));
        }
        return list;
    }
}
