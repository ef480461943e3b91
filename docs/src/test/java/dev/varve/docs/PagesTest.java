// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Links between pages lead somewhere, and what must have a page has one. */
class PagesTest {
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ +(.*)$");
    private static final Pattern CODE = Pattern.compile("(?ms)^```.*?^```|`[^`\n]*`");
    private static final String DRIVERS = "sr-drivers/src/main/java/dev/varve/sr/driver";

    @Test
    void relativeLinksLeadToFilesAndHeadings() {
        List<String> broken = new ArrayList<>();
        int seen = 0;
        for (Path page : Tree.pages()) {
            Matcher link = LINK.matcher(CODE.matcher(Tree.read(page)).replaceAll(""));
            while (link.find()) {
                String target = link.group(1);
                if (!target.contains("://") && !target.startsWith("mailto:")) {
                    seen++;
                    if (!leadsSomewhere(page, target)) {
                        broken.add(Tree.name(page) + " -> " + target);
                    }
                }
            }
        }
        assertTrue(seen > 0, "no link was seen");
        assertEquals(List.of(), broken);
    }

    @Test
    void everyPageIsInTheIndex() {
        Map<String, List<String>> folders = new TreeMap<>();
        Path docs = Tree.root().resolve("docs");
        for (Path page : Tree.pages()) {
            Path name = docs.relativize(page);
            if (!name.startsWith("..") && !name.equals(Path.of("README.md"))) {
                String folder = name.getNameCount() == 1 ? "" : name.getName(0).toString();
                folders.computeIfAbsent(folder, _ -> new ArrayList<>()).add(entry(page, name));
            }
        }
        StringBuilder index = new StringBuilder();
        folders.forEach(
                (folder, entries) -> {
                    index.append(folder.isEmpty() ? "" : "\n## " + folder + "\n");
                    index.append('\n').append(String.join("", entries));
                });
        GeneratedPart.ofPage("docs/README.md").mustBe(index.append('\n').toString());
    }

    private static String entry(Path page, Path name) {
        Matcher heading = HEADING.matcher(Tree.read(page));
        assertTrue(heading.find(), name + " has no title");
        return "- [" + heading.group(1) + "](" + name + ")\n";
    }

    private static boolean leadsSomewhere(Path page, String target) {
        int hash = target.indexOf('#');
        String name = hash < 0 ? target : target.substring(0, hash);
        Path file = name.isEmpty() ? page : page.resolveSibling(name).normalize();
        if (!file.startsWith(Tree.root()) || !Files.exists(file)) {
            return false;
        }
        return hash < 0 || anchors(file).contains(target.substring(hash + 1));
    }

    /** Anchors as code hosts make them from headings. */
    private static Set<String> anchors(Path file) {
        return HEADING.matcher(Tree.read(file))
                .results()
                .map(heading -> heading.group(1).strip().toLowerCase(Locale.ROOT))
                .map(text -> text.replaceAll("[^a-z0-9 _-]", "").replace(' ', '-'))
                .collect(Collectors.toSet());
    }

    @Test
    void everyTypeOfRepositoryHasItsPage() throws Exception {
        try (var drivers = Files.list(Tree.root().resolve(DRIVERS))) {
            List<String> missing =
                    drivers.filter(Files::isDirectory)
                            .map(driver -> "docs/operating/" + driver.getFileName() + ".md")
                            .filter(page -> !Files.exists(Tree.root().resolve(page)))
                            .toList();
            assertEquals(List.of(), missing);
        }
    }

    @Test
    void everyDecisionIsInTheIndex() throws Exception {
        Path decisions = Tree.root().resolve("docs/decisions");
        String index = Tree.read(decisions.resolve("README.md"));
        try (var files = Files.list(decisions)) {
            List<String> missing =
                    files.map(file -> file.getFileName().toString())
                            .filter(name -> name.matches("\\d{4}-.*\\.md"))
                            .filter(name -> !index.contains("(" + name + ")"))
                            .toList();
            assertEquals(List.of(), missing);
        }
    }
}
