// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.sr.spi.PathHealth;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How many paths lead to the devices of a repository, kept with its connection in the form that
 * clients draw: {@code multipathed} and, for each device, {@code mpath-SCSIid} with the number of
 * paths that work and of all, as in {@code [1, 2]}.
 *
 * <p><b>Threads:</b> any.
 */
final class PathNotes {
    private static final String MULTIPATHED = "multipathed";
    private static final String DEVICE = "mpath-";

    private PathNotes() {}

    /** Writes them down when they have changed. */
    static void write(Database database, String pbd, List<PathHealth> paths) {
        Map<String, String> notes = of(paths);
        boolean known = database.find(pbd).map(row -> known(row).equals(notes)).orElse(true);
        if (!known) {
            database.update("PBD", pbd, row -> row.with("other_config", merged(row, notes)));
        }
    }

    private static Map<String, String> known(ApiObject pbd) {
        Map<String, String> known = pbd.map("other_config");
        known.keySet().removeIf(key -> !isNote(key));
        return known;
    }

    private static Map<String, String> merged(ApiObject pbd, Map<String, String> notes) {
        Map<String, String> config = pbd.map("other_config");
        config.keySet().removeIf(PathNotes::isNote);
        config.putAll(notes);
        return config;
    }

    private static boolean isNote(String key) {
        return key.equals(MULTIPATHED) || key.startsWith(DEVICE);
    }

    /** The notes about paths; none when there are no paths to tell of. */
    static Map<String, String> of(List<PathHealth> paths) {
        Map<String, int[]> counts = new TreeMap<>();
        for (PathHealth path : paths) {
            int[] count = counts.computeIfAbsent(path.device(), _ -> new int[2]);
            count[0] += path.healthy() ? 1 : 0;
            count[1]++;
        }
        Map<String, String> notes = new TreeMap<>();
        counts.forEach(
                (device, count) ->
                        notes.put(DEVICE + device, "[%d, %d]".formatted(count[0], count[1])));
        if (!notes.isEmpty()) {
            boolean several = counts.values().stream().anyMatch(count -> count[1] > 1);
            notes.put(MULTIPATHED, Boolean.toString(several));
        }
        return notes;
    }
}
