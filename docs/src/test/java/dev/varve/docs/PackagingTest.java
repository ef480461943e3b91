// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** What is installed beside the programs: units for systemd and manual pages. */
class PackagingTest {
    private static final List<String> UNITS = List.of("varve.service", "varve-user.service");
    private static final List<String> MANUALS = List.of("varve.1", "xe.1", "varved.8");
    private static final Pattern SETTING = Pattern.compile("([A-Za-z]+)=(.+)");

    /** The settings that the units may have; one that is mistyped would be ignored by systemd. */
    private static final Map<String, Set<String>> KNOWN =
            Map.of(
                    "[Unit]",
                    Set.of(
                            "Description",
                            "Documentation",
                            "After",
                            "Wants",
                            "StartLimitIntervalSec",
                            "StartLimitBurst"),
                    "[Service]",
                    Set.of(
                            "Type",
                            "NotifyAccess",
                            "ExecStart",
                            "SuccessExitStatus",
                            "Environment",
                            "StateDirectory",
                            "StateDirectoryMode",
                            "UMask",
                            "Restart",
                            "RestartSec",
                            "TimeoutStartSec",
                            "TimeoutStopSec",
                            "LimitNOFILE",
                            "LimitMEMLOCK",
                            "OOMScoreAdjust",
                            "NoNewPrivileges",
                            "RestrictAddressFamilies",
                            "RestrictNamespaces",
                            "RestrictRealtime",
                            "RestrictSUIDSGID",
                            "SystemCallArchitectures",
                            "LockPersonality"),
                    "[Install]",
                    Set.of("WantedBy"));

    @TempDir Path directory;

    private static String unit(String name) {
        return Tree.read(Tree.root().resolve("hypervisor/packaging").resolve(name));
    }

    @Test
    void unitsHaveOnlySettingsThatAreKnown() {
        for (String name : UNITS) {
            List<String> wrong = new ArrayList<>();
            String section = "";
            for (String line : unit(name).lines().toList()) {
                if (line.startsWith("[")) {
                    section = line;
                    assertTrue(KNOWN.containsKey(section), name + ": " + line);
                } else if (!line.isEmpty() && !line.startsWith("#")) {
                    var setting = SETTING.matcher(line);
                    if (!setting.matches() || !KNOWN.get(section).contains(setting.group(1))) {
                        wrong.add(line);
                    }
                }
            }
            assertEquals(List.of(), wrong, name);
            assertTrue(unit(name).contains("ExecStart=@PREFIX@/bin/varve daemon"), name);
        }
    }

    @Test
    void packagingBeginsWithTheHeader() {
        for (String name : List.of("varve.service", "varve-user.service", "varve.bash")) {
            assertTrue(unit(name).startsWith("# Copyright the Varve authors. "), name);
        }
        for (String name : MANUALS) {
            assertTrue(manual(name).lines().limit(2).anyMatch(HeaderTest::isHeader), name);
        }
    }

    private static String manual(String name) {
        return Tree.read(Tree.root().resolve("docs/man").resolve(name));
    }

    @Test
    @Tag("real")
    void systemdAcceptsTheUnits() throws Exception {
        require("systemd-analyze");
        Path program = Files.createDirectories(directory.resolve("bin")).resolve("varve");
        Files.writeString(program, "#!/bin/sh\n");
        assertTrue(program.toFile().setExecutable(true));
        for (String name : UNITS) {
            Path file = directory.resolve(name);
            Files.writeString(file, unit(name).replace("@PREFIX@", directory.toString()));
            assertSilent("systemd-analyze", "verify", "--man=no", file.toString());
        }
    }

    @Test
    @Tag("real")
    void manualPagesAreCleanForMandoc() throws Exception {
        require("mandoc");
        for (String name : MANUALS) {
            String file = Tree.root().resolve("docs/man").resolve(name).toString();
            assertSilent("mandoc", "-T", "lint", "-W", "warning", file);
        }
    }

    private static void require(String program) {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin", program)), program + " is not installed");
    }

    private void assertSilent(String... command) throws IOException, InterruptedException {
        Path output = directory.resolve("output");
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        int code = process.waitFor();
        assertEquals("", Files.readString(output, StandardCharsets.UTF_8));
        assertEquals(0, code);
    }
}
