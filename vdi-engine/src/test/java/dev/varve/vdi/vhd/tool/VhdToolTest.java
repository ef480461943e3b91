// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd.tool;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdImageBuilder;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** The command as its users call it. */
class VhdToolTest {
    private static final int BLOCK = 64 << 10;
    private static final VhdFormat FORMAT = new VhdFormat(Clock.system());

    @TempDir Path directory;
    private String out;
    private String err;

    private int run(Object... args) {
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        PrintStream outStream = new PrintStream(outBytes, true, StandardCharsets.UTF_8);
        PrintStream errStream = new PrintStream(errBytes, true, StandardCharsets.UTF_8);
        List<String> words = Arrays.stream(args).map(Object::toString).toList();
        int code = new VhdTool(Clock.system(), outStream, errStream).run(words);
        out = outBytes.toString(StandardCharsets.UTF_8);
        err = errBytes.toString(StandardCharsets.UTF_8);
        return code;
    }

    private Path write(String name, byte[] image) throws IOException {
        return Files.write(directory.resolve(name), image);
    }

    private static VhdImageBuilder builder() {
        return new VhdImageBuilder(8 * BLOCK).blockBytes(BLOCK).block(2, new byte[] {1});
    }

    private Path child(String name, String parent, UUID parentUuid) throws IOException {
        Path file = write(name, new byte[0]);
        try (FileAccess access = FileAccess.open(file, true)) {
            FORMAT.create(
                    access,
                    new ImageSpec(
                            new UUID(1, 2),
                            4 << 20,
                            4 << 20,
                            Optional.of(new ParentLink(parent, parentUuid))),
                    Operation.unbounded("test", Clock.system()));
        }
        return file;
    }

    @Test
    void wrongCallsPrintTheUsage() {
        assertEquals(2, run());
        assertEquals(2, run("check"));
        assertEquals(2, run("squash", "file"));
        assertEquals(2, run("check", "--json", "file"));
        assertEquals(2, run("repair", "--no-parents", "file"));
        assertEquals(2, run("info", "one", "two"));
        assertTrue(err.startsWith("usage: varve vhd check"), err);
        assertEquals(0, run("--help"));
        assertTrue(out.contains("repair"), out);
    }

    @Test
    void filesThatCannotBeReadAreNamed() throws IOException {
        assertEquals(1, run("check", directory.resolve("none.vhd")));
        assertTrue(err.contains("there is no file " + directory.resolve("none.vhd")), err);
        assertEquals(1, run("info", directory));
        assertTrue(err.contains("is a directory"), err);
        assertEquals(
                1,
                run(
                        "map",
                        write("text.vhd", "hello".repeat(1000).getBytes(StandardCharsets.UTF_8))));
        assertTrue(err.contains("has a footer neither at its start nor at its end"), err);
    }

    @Test
    void checkTellsTheVerdict() throws IOException {
        assertEquals(0, run("check", write("good.vhd", builder().build())));
        assertEquals("good.vhd: valid\n", out);
        assertEquals(3, run("check", write("open.vhd", builder().unclean().build())));
        assertTrue(out.startsWith("open.vhd: unclean\n  the footer at the end is missing"), out);
        byte[] image = builder().build();
        image[600] = 1;
        assertEquals(1, run("check", write("bad.vhd", image)));
        assertTrue(out.startsWith("bad.vhd: invalid\n  the header"), out);
    }

    @Test
    void checkFollowsTheChainUnlessToldNotTo() throws IOException {
        write("root.vhd", builder().unclean().build());
        Path leaf = child("leaf.vhd", "root.vhd", builder().footer().uuid());
        assertEquals(3, run("check", leaf));
        assertTrue(out.startsWith("leaf.vhd: valid\nroot.vhd: unclean\n"), out);
        assertTrue(out.endsWith("the chain of 2 images: unclean\n"), out);
        assertEquals(0, run("check", "--no-parents", leaf));
        assertEquals("leaf.vhd: valid\n", out);
    }

    @Test
    void namesDoNotLeadOutOfTheDirectory() throws IOException {
        Path inner = Files.createDirectory(directory.resolve("inner"));
        write("root.vhd", builder().build());
        Path leaf = child("inner/leaf.vhd", "..", builder().footer().uuid());
        assertEquals(1, run("check", leaf));
        assertEquals(inner, leaf.getParent());
    }

    @Test
    void infoTellsPeopleAndPrograms() throws IOException {
        write("root.vhd", builder().batmap().build());
        Path leaf = child("leaf.vhd", "root.vhd", builder().footer().uuid());
        assertEquals(0, run("info", leaf));
        for (String line :
                List.of(
                        "  type              differencing",
                        "  UUID              " + new UUID(1, 2),
                        "  size now          4 MiB (4194304 bytes)",
                        "  parent UUID         " + builder().footer().uuid(),
                        "MacX",
                        "./root.vhd",
                        ".\\root.vhd",
                        "  depth  2")) {
            assertTrue(out.contains(line), line + " in\n" + out);
        }
        assertEquals(0, run("info", "--json", leaf));
        for (String part :
                List.of(
                        "{\"file\":{\"name\":\"leaf.vhd\",",
                        "\"currentSizeBytes\":4194304,",
                        "\"hidden\":false,",
                        "\"path\":\".\\\\root.vhd\"",
                        "\"depth\":2}",
                        "\"allocated\":0,")) {
            assertTrue(out.contains(part), part + " in\n" + out);
        }
        Files.delete(directory.resolve("root.vhd"));
        assertEquals(0, run("info", leaf));
        assertTrue(out.contains("root.vhd with the UUID"), out);
    }

    @Test
    void namesOfOthersDoNotReachTheTerminalAsTheyAre() throws IOException {
        String name = "a\u001B[31m\"\\.vhd";
        Path leaf = child("leaf.vhd", name, builder().footer().uuid());
        run("info", leaf);
        assertFalse(out.contains("\u001B"), out);
        run("info", "--json", leaf);
        assertTrue(out.contains("a\\u001b[31m\\\""), out);
        run("check", leaf);
        assertFalse(out.contains("\u001B"), out);
    }

    @Test
    void mapTellsTheParts() throws IOException {
        write("root.vhd", builder().build());
        Path leaf = child("leaf.vhd", "root.vhd", builder().footer().uuid());
        assertEquals(0, run("map", leaf));
        List<String> lines = out.lines().toList();
        assertEquals("               0           131072  zero", lines.get(0));
        assertEquals("          131072            65536  root.vhd", lines.get(1));
        assertEquals("          196608          3997696  zero", lines.get(2));
        assertEquals(0, run("map", "--json", leaf));
        assertEquals(
                """
                [{"offset":0,"length":131072,"zero":true},
                 {"offset":131072,"length":65536,"zero":false,"file":"root.vhd"},
                 {"offset":196608,"length":3997696,"zero":true}]
                """,
                out);
    }

    @Test
    void repairClosesWhatWasNotClosed() throws IOException {
        byte[] longer = Arrays.copyOf(builder().batmap().build(), 1 << 20);
        Path file = write("open.vhd", longer);
        assertEquals(3, run("check", file));
        assertEquals(0, run("repair", file));
        assertTrue(out.startsWith("open.vhd: valid\n"), out);
        assertTrue(out.contains("done: cut off"), out);
        assertTrue(out.contains("done: wrote the footer at the end"), out);
        assertArrayEquals(builder().batmap().build(), Files.readAllBytes(file));
        assertEquals(0, run("repair", file));
        assertEquals("open.vhd: valid, nothing to do\n", out);
    }

    @Test
    void repairKeepsTheMarkOfAnInnerNode() throws IOException {
        byte[] image = builder().unclean().build();
        image[85] = 1;
        VhdImageBuilder.sealFooter(image, 0);
        Path file = write("open.vhd", image);
        assertEquals(0, run("repair", file));
        byte[] repaired = Files.readAllBytes(file);
        assertEquals(1, repaired[85]);
        assertArrayEquals(
                Arrays.copyOf(repaired, 512),
                Arrays.copyOfRange(repaired, repaired.length - 512, repaired.length));
    }

    @Test
    void repairRefusesDamage() throws IOException {
        byte[] image = builder().unclean().build();
        image[600] = 1;
        Path file = write("bad.vhd", image);
        assertEquals(1, run("repair", file));
        assertTrue(out.contains("the header has checksum"), out);
        assertTrue(err.contains("was left as it is"), err);
        assertArrayEquals(image, Files.readAllBytes(file));
    }

    @Test
    void repairRefusesAFileThatSomebodyWrites() throws Exception {
        byte[] image = builder().unclean().build();
        Path file = write("open.vhd", image);
        Process writer =
                new ProcessBuilder(
                                "sh", "-c", "exec 3<>\"$0\"; echo ready; read end", file.toString())
                        .start();
        try {
            assertEquals('r', writer.getInputStream().read());
            assertEquals(1, run("repair", file));
            assertTrue(err.contains("process " + writer.pid() + " has "), err);
            assertArrayEquals(image, Files.readAllBytes(file));
        } finally {
            writer.destroy();
            writer.waitFor();
        }
        assertEquals(0, run("repair", file));
    }

    @Test
    void filesGrowShrinkAndAreZeroed() throws IOException {
        Path file = write("file", new byte[] {1, 2, 3});
        try (FileAccess access = FileAccess.open(file, true)) {
            access.grow(4096);
            access.write(8192, new byte[512]);
            access.zero(0, 512);
            access.flush();
            assertEquals(8704, access.sizeBytes());
            access.shrink(1024);
        }
        assertArrayEquals(new byte[1024], Files.readAllBytes(file));
        Files.write(file, new byte[] {7}, StandardOpenOption.APPEND);
        assertEquals(1025, Files.size(file));
    }
}
