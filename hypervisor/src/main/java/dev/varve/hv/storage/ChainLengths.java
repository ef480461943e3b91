// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** How many images a disk consists of, by what the rows say. */
final class ChainLengths {
    private ChainLengths() {}

    /** The images of the longest chain; 0 when there are none. */
    static int longest(Collection<ApiObject> vdis) {
        Map<String, String> parents = new HashMap<>();
        vdis.forEach(vdi -> parents.put(vdi.ref(), vdi.text("parent")));
        Map<String, Integer> known = new HashMap<>();
        return parents.keySet().stream()
                .mapToInt(ref -> length(ref, parents, known))
                .max()
                .orElse(0);
    }

    /** Damaged images may come back to themselves. */
    private static int length(String ref, Map<String, String> parents, Map<String, Integer> known) {
        List<String> way = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        String at = ref;
        while (parents.containsKey(at) && !known.containsKey(at) && seen.add(at)) {
            way.add(at);
            at = parents.get(at);
        }
        int length = known.getOrDefault(at, 0);
        for (String image : way.reversed()) {
            length++;
            known.put(image, length);
        }
        return known.getOrDefault(ref, length);
    }
}
