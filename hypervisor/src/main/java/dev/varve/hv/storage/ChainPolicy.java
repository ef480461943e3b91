// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.disk.Merge;

import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * What the user allows to be done with the chains of a repository, as it stands in the rows now.
 *
 * <table>
 * <caption>keys of {@code other-config}</caption>
 * <tr><th>of</th><th>key</th><th>meaning</th></tr>
 * <tr><td>SR</td><td>{@code gc=false}</td><td>nothing is merged or removed</td></tr>
 * <tr><td>SR</td><td>{@code coalesce=false}</td><td>nothing is merged; what nobody needs is removed
 * all the same</td></tr>
 * <tr><td>SR</td><td>{@code leaf-coalesce=false}</td><td>only inner nodes are merged</td></tr>
 * <tr><td>SR</td><td>{@code coalesce-bytes-per-second}</td><td>how fast one merge may copy; instead of
 * the setting of the daemon</td></tr>
 * <tr><td>VDI</td><td>{@code leaf-coalesce=false}</td><td>the leaf of this disk is not merged; counts
 * in {@code sm-config} too</td></tr>
 * </table>
 *
 * <p>The leaf of a disk with {@code on-boot=reset} or {@code allow-caching} is not merged either:
 * others rely on its being a leaf of its own.
 *
 * <p><b>Threads:</b> any.
 */
final class ChainPolicy {
    static final String GC = "gc";
    static final String COALESCE = "coalesce";
    static final String LEAF_COALESCE = "leaf-coalesce";
    static final String RATE = "coalesce-bytes-per-second";

    private static final String OTHER_CONFIG = "other_config";
    private static final String NO = "false";

    private final Database database;
    private final String sr;
    private final ChainSettings settings;

    /**
     * @param sr the reference of the repository
     */
    ChainPolicy(Database database, String sr, ChainSettings settings) {
        this.database = database;
        this.sr = sr;
        this.settings = settings;
    }

    private boolean refuses(String key) {
        return database.find(sr).map(row -> NO.equals(row.map(OTHER_CONFIG).get(key))).orElse(true);
    }

    /** Whether anything may be done at all. */
    boolean mayCollect() {
        return !refuses(GC);
    }

    /** Whether two images may be merged. */
    boolean allows(Merge merge) {
        return mayCollect()
                && !refuses(COALESCE)
                && (!merge.isLeaf() || (!refuses(LEAF_COALESCE) && allowsLeaf(merge.child())));
    }

    private boolean allowsLeaf(UUID disk) {
        Optional<ApiObject> row = database.find(OpaqueRef.of(disk));
        return row.isEmpty() || allowsLeaf(row.get());
    }

    private static boolean allowsLeaf(ApiObject vdi) {
        return !NO.equals(vdi.map(OTHER_CONFIG).get(LEAF_COALESCE))
                && !NO.equals(vdi.map("sm_config").get(LEAF_COALESCE))
                && !vdi.text("on_boot").equals("reset")
                && !vdi.flag("allow_caching");
    }

    /** How fast one merge may copy; 0 means as fast as it goes. */
    long bytesPerSecond() {
        String chosen =
                database.find(sr)
                        .map(row -> row.map(OTHER_CONFIG).getOrDefault(RATE, ""))
                        .orElse("");
        if (chosen.isEmpty()
                || chosen.length() > 18
                || !chosen.chars().allMatch(ChainPolicy::isDigit)) {
            return settings.bytesPerSecond();
        }
        return Long.parseLong(chosen);
    }

    private static boolean isDigit(int c) {
        return c >= '0' && c <= '9';
    }

    /** Whether a change of a row is one of what is allowed. */
    static boolean concerns(ApiObject before, ApiObject after) {
        return switch (after.type().name()) {
            case "SR" -> {
                Map<String, String> was = before.map(OTHER_CONFIG);
                Map<String, String> is = after.map(OTHER_CONFIG);
                yield differ(was, is, GC)
                        || differ(was, is, COALESCE)
                        || differ(was, is, LEAF_COALESCE)
                        || differ(was, is, RATE);
            }
            case "VDI" -> allowsLeaf(before) != allowsLeaf(after);
            default -> false;
        };
    }

    private static boolean differ(Map<String, String> was, Map<String, String> is, String key) {
        return !was.getOrDefault(key, "").equals(is.getOrDefault(key, ""));
    }
}
