// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Draws the layers that disks are made of: each disk below what it rests on, a line for each. What
 * a disk takes is what was known of it last.
 */
final class LayerTree {
    private static final Comparator<ApiObject> ORDER =
            Comparator.comparing(LayerTree::isInner)
                    .thenComparing(vdi -> vdi.text("name_label"))
                    .thenComparing(vdi -> vdi.text("snapshot_time"))
                    .thenComparing(ApiObject::uuid);

    private final Database database;
    private final Attachments attachments;

    LayerTree(Database database, Attachments attachments) {
        this.database = database;
        this.attachments = attachments;
    }

    /** A line of a drawing, in columns. */
    private record Line(String name, String uuid, String size, String takes, String notes) {}

    /** The trees of one repository as they grow. */
    private final class Drawing {
        private final List<ApiObject> nodes;
        private final Map<String, List<ApiObject>> above;
        private final Set<String> drawn = new HashSet<>();
        private final List<Line> lines = new ArrayList<>();

        Drawing(String sr) {
            nodes = database.referring("VDI", "SR", sr).stream().sorted(ORDER).toList();
            above = nodes.stream().collect(Collectors.groupingBy(node -> node.text("parent")));
        }

        /** Adds a tree, unless it has been drawn. */
        void add(ApiObject root) {
            add(root, "", "");
        }

        /**
         * Adds a node and all that rests on it.
         *
         * @param first what stands in front of the node
         * @param others what stands in front of the lines below it
         */
        private void add(ApiObject node, String first, String others) {
            if (!drawn.add(node.ref())) {
                return;
            }
            lines.add(line(node, first));
            List<ApiObject> resting = above.getOrDefault(node.ref(), List.of());
            for (ApiObject other : resting) {
                boolean last = other == resting.getLast();
                add(other, others + (last ? "└── " : "├── "), others + (last ? "    " : "│   "));
            }
        }
    }

    /**
     * All repositories, one, or the tree that one disk belongs to.
     *
     * @param only the reference of the repository or of the disk
     */
    List<String> draw(Optional<String> only) {
        Optional<ApiObject> chosen = only.flatMap(database::find);
        if (chosen.isEmpty()) {
            return database.all("SR").stream().flatMap(sr -> forest(sr).stream()).toList();
        }
        return chosen.get().type().name().equals("SR") ? forest(chosen.get()) : tree(chosen.get());
    }

    private List<String> forest(ApiObject sr) {
        Drawing drawing = new Drawing(sr.ref());
        drawing.nodes.stream().filter(node -> below(node).isEmpty()).forEach(drawing::add);
        // Images that rest on each other in a ring have no root, and are shown all the same.
        drawing.nodes.forEach(drawing::add);
        List<String> text = new ArrayList<>();
        text.add("sr " + sr.uuid() + " (" + plain(sr.text("name_label")) + ")");
        text.addAll(drawing.lines.isEmpty() ? List.of("no disks") : aligned(drawing.lines));
        return text;
    }

    private List<String> tree(ApiObject vdi) {
        Set<String> seen = new HashSet<>();
        ApiObject root = vdi;
        while (seen.add(root.ref()) && below(root).isPresent()) {
            root = below(root).get();
        }
        Drawing drawing = new Drawing(vdi.text("SR"));
        drawing.add(root);
        return aligned(drawing.lines);
    }

    private Optional<ApiObject> below(ApiObject node) {
        return database.find(node.text("parent"))
                .filter(parent -> parent.text("SR").equals(node.text("SR")));
    }

    private Line line(ApiObject node, String branch) {
        return new Line(
                branch + name(node),
                node.uuid(),
                Sizes.text(node.number("virtual_size")),
                Sizes.text(node.number("physical_utilisation")),
                notes(node));
    }

    private static boolean isInner(ApiObject node) {
        return !node.flag("managed") && Attachments.quarantine(node).isEmpty();
    }

    private static String name(ApiObject node) {
        String label = plain(node.text("name_label"));
        String name = label.isBlank() ? "disk" : label;
        return node.flag("is_a_snapshot")
                ? name + "  snapshot of " + minute(node.text("snapshot_time"))
                : name;
    }

    /** A name on one line. */
    private static String plain(String label) {
        return label.replaceAll("\\p{Cntrl}", " ");
    }

    /** A point in time as people write it, from {@code 20261124T16:22:43Z}. */
    private static String minute(String time) {
        return "%s-%s-%s %s"
                .formatted(
                        time.substring(0, 4),
                        time.substring(4, 6),
                        time.substring(6, 8),
                        time.substring(9, 14));
    }

    private String notes(ApiObject node) {
        List<String> notes = new ArrayList<>();
        attachments
                .activeConnection(node.ref())
                .map(vbd -> vbd.text("mode").equals("RO") ? "attached read-only" : "attached")
                .ifPresent(notes::add);
        Attachments.quarantine(node)
                .map(reason -> "cannot be used: " + reason)
                .ifPresent(notes::add);
        if (node.flag("missing")) {
            notes.add("missing");
        }
        return notes.isEmpty() ? "" : "  (" + String.join(", ", notes) + ")";
    }

    private static List<String> aligned(List<Line> lines) {
        int names = widest(lines, Line::name);
        int sizes = widest(lines, Line::size);
        int takes = widest(lines, Line::takes);
        return lines.stream()
                .map(
                        line ->
                                line.name()
                                        + " ".repeat(names - length(line.name()))
                                        + "  "
                                        + line.uuid()
                                        + "  "
                                        + " ".repeat(sizes - length(line.size()))
                                        + line.size()
                                        + ", takes "
                                        + " ".repeat(takes - length(line.takes()))
                                        + line.takes()
                                        + line.notes())
                .toList();
    }

    private static int widest(List<Line> lines, Function<Line, String> column) {
        return lines.stream().map(column).mapToInt(LayerTree::length).max().orElse(0);
    }

    private static int length(String text) {
        return text.codePointCount(0, text.length());
    }
}
