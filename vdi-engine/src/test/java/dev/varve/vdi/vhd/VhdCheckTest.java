// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFinding.Weight;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** What the checker says of images that are in order, were not closed, or are damaged. */
class VhdCheckTest {
    private static final int BLOCK = 64 << 10;
    private static final int DISK = 8 * BLOCK;
    private static final int HEADER = 512;
    private static final int TABLE = 1536;
    private static final UUID PARENT = new UUID(7, 8);

    private static final VhdFormat FORMAT = new VhdFormat(Clock.system());
    private final VhdCheck check = new VhdCheck(Clock.system());

    // ---- images

    private static byte[] data(int seed) {
        byte[] data = new byte[BLOCK];
        new Random(seed).nextBytes(data);
        return data;
    }

    private static VhdImageBuilder builder() {
        return new VhdImageBuilder(DISK).blockBytes(BLOCK).block(1, data(1)).block(5, data(5));
    }

    private static byte[] dynamic() {
        return builder().build();
    }

    private static byte[] withBatmap() {
        return builder().batmap().build();
    }

    private static byte[] made(UUID uuid, Optional<ParentLink> parent) {
        MemoryAccess access = new MemoryAccess(new byte[0]);
        FORMAT.create(
                access,
                new ImageSpec(uuid, 8 << 20, 8 << 20, parent),
                Operation.unbounded("test", Clock.system()));
        return access.content();
    }

    private static byte[] differencing() {
        return made(new UUID(1, 2), Optional.of(new ParentLink("parent.vhd", PARENT)));
    }

    private static byte[] fixed() {
        MemoryAccess access = new MemoryAccess(new byte[0]);
        FORMAT.createFixed(access, new UUID(1, 1), DISK);
        return access.content();
    }

    private List<VhdFinding> findings(byte[] image) {
        return check.check(new MemoryAccess(image)).findings();
    }

    private VhdVerdict verdict(byte[] image) {
        return check.check(new MemoryAccess(image)).verdict();
    }

    // ---- in order

    @Test
    void imagesInOrderAreValid() {
        List<byte[]> images =
                List.of(
                        dynamic(),
                        withBatmap(),
                        builder().headerLast().build(),
                        builder().tableEntries(1000).build(),
                        new VhdImageBuilder(2040L << 30).build(),
                        made(new UUID(1, 1), Optional.empty()),
                        differencing(),
                        made(
                                new UUID(1, 3),
                                Optional.of(new ParentLink("base.raw", ParentLink.RAW))),
                        fixed());
        for (byte[] image : images) {
            assertEquals(List.of(), findings(image));
            assertEquals(VhdVerdict.VALID, verdict(image));
        }
    }

    // ---- damages

    private static void footers(byte[] image, Consumer<ByteBuffer> change) {
        change.accept(ByteBuffer.wrap(image));
        VhdImageBuilder.sealFooter(image, 0);
        System.arraycopy(image, 0, image, image.length - 512, 512);
    }

    private static void header(byte[] image, Consumer<ByteBuffer> change) {
        change.accept(ByteBuffer.wrap(image, HEADER, 1024).slice());
        VhdImageBuilder.sealHeader(image, HEADER);
    }

    private static Arguments footer(String expected, Consumer<ByteBuffer> change) {
        Consumer<byte[]> damage = image -> footers(image, change);
        return Arguments.of("the footer at the start " + expected, dynamicImage(), damage);
    }

    private static Supplier<byte[]> dynamicImage() {
        return VhdCheckTest::dynamic;
    }

    private static Arguments header(String expected, Consumer<ByteBuffer> change) {
        Consumer<byte[]> damage = image -> header(image, change);
        return Arguments.of(expected, dynamicImage(), damage);
    }

    private static Arguments child(String expected, Consumer<ByteBuffer> change) {
        Supplier<byte[]> image = VhdCheckTest::differencing;
        Consumer<byte[]> damage = bytes -> header(bytes, change);
        return Arguments.of(expected, image, damage);
    }

    private static Arguments batmap(String expected, Consumer<ByteBuffer> change) {
        int at = builder().batmap().batmapOffset();
        Supplier<byte[]> image = VhdCheckTest::withBatmap;
        Consumer<byte[]> damage =
                bytes -> change.accept(ByteBuffer.wrap(bytes, at, bytes.length - at).slice());
        return Arguments.of("the batmap " + expected, image, damage);
    }

    private static Arguments any(String expected, Consumer<ByteBuffer> change) {
        Consumer<byte[]> damage = image -> change.accept(ByteBuffer.wrap(image));
        return Arguments.of(expected, dynamicImage(), damage);
    }

    private static Arguments fixedImage(String expected, Consumer<ByteBuffer> change) {
        Supplier<byte[]> image = VhdCheckTest::fixed;
        Consumer<byte[]> damage =
                bytes -> {
                    int at = bytes.length - 512;
                    change.accept(ByteBuffer.wrap(bytes, at, 512).slice());
                    VhdImageBuilder.sealFooter(bytes, at);
                };
        return Arguments.of(expected, image, damage);
    }

    private static void text(ByteBuffer out, int at, byte[] text) {
        out.put(at, text);
    }

    static Stream<Arguments> footerDamages() {
        int inAWeek = (int) (Clock.system().epochMillis() / 1000 - 946_684_800L) + 7 * 86_400;
        return Stream.of(
                any(
                        "the footer at the start does not begin with 'conectix'",
                        o -> o.put(0, (byte) 0)),
                any("the footer at the start has checksum", o -> o.put(100, (byte) 1)),
                footer("has the features 00000006", o -> o.putInt(8, 6)),
                footer("has the features 00000001", o -> o.putInt(8, 1)),
                footer("is of the unknown version 00020000", o -> o.putInt(12, 0x20000)),
                footer("says that the image was made in the future", o -> o.putInt(24, inAWeek)),
                footer(
                        "was written by version 1.4 of 'tap'",
                        o -> o.putInt(28, 0x74617000).putInt(32, 0x10004)),
                footer("has the geometry 65535/16/255", o -> o.putInt(56, 0xFFFF10FF)),
                footer("is of the unknown disk type 5", o -> o.putInt(60, 5)),
                footer("has no UUID", o -> o.putLong(68, 0).putLong(76, 0)),
                footer("has the saved state 2", o -> o.put(84, (byte) 2)),
                footer("has the hidden mark 255", o -> o.put(85, (byte) -1)),
                footer("has reserved bytes that are not zero", o -> o.put(86, (byte) 1)),
                footer("has reserved bytes that are not zero", o -> o.put(511, (byte) 1)),
                footer("gives a disk of 513 bytes", o -> o.putLong(48, 513)),
                footer("gives a disk of 0 bytes", o -> o.putLong(48, 0)),
                Arguments.of(
                        "the footer puts the header at the impossible offset",
                        dynamicImage(),
                        (Consumer<byte[]>) VhdCheckTest::loseHeader),
                fixedImage(
                        "the footer at the end is that of a fixed disk", o -> o.putLong(16, 512)),
                fixedImage("the volume ends after", o -> o.putLong(48, 2 * DISK)),
                fixedImage("has reserved bytes", o -> o.put(200, (byte) 1)));
    }

    private static void loseHeader(byte[] image) {
        footers(image, o -> o.putLong(16, 1L << 40));
    }

    static Stream<Arguments> headerDamages() {
        return Stream.of(
                header("the header does not begin with 'cxsparse'", o -> o.put(0, (byte) 0)),
                any("the header has checksum", o -> o.put(HEADER + 900, (byte) 1)),
                header("the header names another structure at 0", o -> o.putLong(8, 0)),
                header("the header puts the table at the impossible", o -> o.putLong(16, 1537)),
                header("the header has a table that goes past", o -> o.putLong(16, 1 << 30)),
                header("the header lies inside its own table", o -> o.putLong(16, 1024)),
                header("the header is of the unknown version", o -> o.putInt(24, 0x20000)),
                header("the header has a table for", o -> o.putInt(28, 7)),
                header("the header has blocks of 196608", o -> o.putInt(32, 3 << 16)),
                header("the header has blocks of 512", o -> o.putInt(32, 512)),
                header("the header has reserved bytes", o -> o.putInt(60, 1)),
                header("the header has reserved bytes", o -> o.put(768, (byte) 1)),
                header("the header has reserved bytes", o -> o.put(1023, (byte) 1)),
                header("the header has the UUID of a parent", o -> o.putLong(48, 1)),
                header("the header has the modification time", o -> o.putInt(56, 1)),
                header("the header has the name of a parent", o -> o.putChar(64, 'x')),
                header("the header has locators of a parent", o -> o.putInt(576, 0x4D616358)));
    }

    static Stream<Arguments> nameDamages() {
        return Stream.of(
                child("parent locator 1 has the unknown code", o -> o.putInt(600, 0x41424344)),
                child("parent locator 0 has reserved bytes", o -> o.putInt(576 + 12, 1)),
                child("parent locator 2 has a name of 0 bytes", o -> o.putInt(624 + 8, 0)),
                child("parent locator 2 has a name of 600 bytes", o -> o.putInt(624 + 8, 600)),
                child("parent locator 2 puts its name at", o -> o.putLong(624 + 16, 1L << 40)),
                child("parent locator 2 puts its name at", o -> o.putLong(624 + 16, -512)),
                child(
                        "the header and its locators name different files",
                        o -> text(o, 64, "other.vhd\0".getBytes(StandardCharsets.UTF_16BE))),
                child("the name of the parent in the header is not", o -> o.putChar(64, '\uD800')),
                child("has a name that is no text", VhdCheckTest::halfALetter),
                child("the header names no file as the parent", VhdCheckTest::noNames));
    }

    /** A W2KU name of an odd number of bytes. */
    private static void halfALetter(ByteBuffer out) {
        out.putInt(600 + 8, 21);
    }

    private static void noNames(ByteBuffer out) {
        text(out, 64, new byte[512]);
        text(out, 576, new byte[192]);
    }

    static Stream<Arguments> batmapDamages() {
        return Stream.of(
                batmap("does not begin with 'tdbatmap'", o -> o.put(0, (byte) 0)),
                batmap("is of the unknown version", o -> o.putInt(20, 0x10003)),
                batmap("has checksum", o -> o.putInt(24, 0)),
                batmap("has checksum", o -> o.put(512, (byte) 0)),
                batmap("has 0 sectors of bits", o -> o.putInt(16, 0)),
                batmap("goes past the end", o -> o.putInt(16, 1 << 20)),
                batmap("goes past the end", o -> o.putLong(8, 1L << 40)),
                batmap("puts its bits at the impossible offset", o -> o.putLong(8, 513)),
                batmap("says that the data is encrypted", o -> o.put(29, (byte) 1)),
                batmap("says that block 1 is fully written", o -> o.put(1024, (byte) 0)));
    }

    static Stream<Arguments> tableDamages() {
        int first = ByteBuffer.wrap(dynamic()).getInt(TABLE + 4);
        return Stream.of(
                any("puts block 2 at sector 1073741824, past", o -> o.putInt(TABLE + 8, 1 << 30)),
                any("puts block 2 at sector 1, into the metadata", o -> o.putInt(TABLE + 8, 1)),
                any("into block 1", o -> o.putInt(TABLE + 8, first + 1)),
                any("names 1 blocks behind the disk's end", o -> o.putInt(TABLE + 32, first)),
                Arguments.of(
                        "onto a name of the parent",
                        (Supplier<byte[]>) VhdCheckTest::differencing,
                        (Consumer<byte[]>) VhdCheckTest::nameInBlock));
    }

    /** Puts the only block where a name is. */
    private static void nameInBlock(byte[] image) {
        ByteBuffer out = ByteBuffer.wrap(image);
        long name = out.getLong(HEADER + 576 + 16);
        out.putInt(TABLE, (int) (name / 512));
        header(image, o -> o.putInt(32, 64 << 10).putInt(28, 128));
    }

    static Stream<Arguments> damages() {
        return Stream.of(
                        footerDamages(),
                        headerDamages(),
                        nameDamages(),
                        batmapDamages(),
                        tableDamages())
                .flatMap(each -> each);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("damages")
    void damagesAreFound(String expected, Supplier<byte[]> source, Consumer<byte[]> damage) {
        byte[] image = source.get();
        if (expected.contains("behind the disk's end")) {
            image = builder().tableEntries(9).build();
        }
        if (expected.contains("onto a name")) {
            image = Arrays.copyOf(image, image.length + (1 << 20));
            System.arraycopy(image, 0, image, image.length - 512, 512);
        }
        damage.accept(image);
        VhdCheck.Result result = check.check(new MemoryAccess(image));
        List<String> invalid =
                result.findings().stream()
                        .filter(each -> each.weight() == Weight.INVALID)
                        .map(VhdFinding::toString)
                        .toList();
        assertTrue(invalid.stream().anyMatch(each -> each.contains(expected)), invalid.toString());
        assertEquals(VhdVerdict.INVALID, result.verdict());
    }

    @Test
    void oneDamageGivesOneFinding() {
        byte[] image = dynamic();
        footers(image, out -> out.put(86, (byte) 1));
        assertEquals(1, findings(image).size());
        assertEquals("the footer at the start", findings(image).getFirst().where());
        assertFalse(findings(image).getFirst().advice().isEmpty());
    }

    @Test
    void aTableOfNonsenseIsToldBriefly() {
        byte[] image = new VhdImageBuilder(1 << 30).blockBytes(BLOCK).build();
        Arrays.fill(image, TABLE, TABLE + 4 * (1 << 14), (byte) 1);
        List<VhdFinding> findings = findings(image);
        assertTrue(findings.size() < 200, findings.size() + " findings");
        assertTrue(findings.getLast().what().contains("more findings"));
    }

    /** As in fuzzing: whatever the bytes are, the checker comes to a verdict. */
    @Test
    void neverFailsOnAnyBytes() {
        byte[][] images = {withBatmap(), differencing(), fixed()};
        Random random = new Random(3);
        for (int i = 0; i < 6000; i++) {
            byte[] image = images[i % images.length].clone();
            for (int n = random.nextInt(4); n >= 0; n--) {
                image[random.nextInt(Math.min(image.length, 6144))] = (byte) random.nextInt();
            }
            if (random.nextBoolean()) {
                VhdImageBuilder.sealHeader(image, HEADER);
            }
            if (random.nextBoolean()) {
                VhdImageBuilder.sealFooter(image, 0);
            }
            verdict(
                    Arrays.copyOf(
                            image, random.nextInt(8) == 0 ? random.nextInt(8192) : image.length));
        }
        assertEquals(VhdVerdict.INVALID, verdict(new byte[0]));
        assertEquals(VhdVerdict.INVALID, verdict(new byte[4096]));
    }

    /** What opening refuses is never valid to the checker. */
    @Test
    void isStricterThanOpening() {
        byte[] source = withBatmap();
        for (int bit = 0; bit < 1536 * 8; bit++) {
            byte[] image = source.clone();
            image[bit / 8] ^= (byte) (1 << bit % 8);
            VhdImageBuilder.sealFooter(image, 0);
            System.arraycopy(image, 0, image, image.length - 512, 512);
            VhdImageBuilder.sealHeader(image, HEADER);
            boolean opens;
            try {
                FORMAT.open(new MemoryAccess(image.clone()), true);
                opens = true;
            } catch (StorageException e) {
                opens = false;
            }
            assertTrue(opens || verdict(image) == VhdVerdict.INVALID, "bit " + bit);
        }
    }

    // ---- not closed

    private void assertUncleanAndRepaired(byte[] image, String expected) {
        VhdCheck.Result result = check.check(new MemoryAccess(image));
        assertEquals(VhdVerdict.UNCLEAN, result.verdict(), result.findings().toString());
        assertTrue(
                result.findings().stream().anyMatch(each -> each.toString().contains(expected)),
                result.findings().toString());
        MemoryAccess access = new MemoryAccess(image.clone());
        ImageLayer layer = FORMAT.open(access, true);
        layer.seal(access, layer.info().hidden());
        assertEquals(List.of(), findings(access.content()));
    }

    @Test
    void imagesThatWereNotClosedAreUnclean() {
        assertUncleanAndRepaired(builder().unclean().build(), "the footer at the end is missing");
        byte[] longer = Arrays.copyOf(dynamic(), dynamic().length + (1 << 20));
        assertUncleanAndRepaired(longer, "the footer at the end is missing");
        byte[] stale = dynamic();
        ByteBuffer.wrap(stale).putLong(stale.length - 512 + 40, 2 * DISK);
        VhdImageBuilder.sealFooter(stale, stale.length - 512);
        assertUncleanAndRepaired(stale, "is not the same as the one at the start");
    }

    @Test
    void aBatmapThatWasBeingWrittenIsUncleanWithoutTheFooterOnly() {
        byte[] image = builder().batmap().unclean().build();
        image[builder().batmap().batmapOffset() + 512] ^= 1;
        assertUncleanAndRepaired(image, "the batmap has checksum");
    }

    @Test
    void dataThatLooksLikeTheFooterIsNoFooter() {
        VhdImageBuilder builder = builder().unclean();
        byte[] image = builder.build();
        System.arraycopy(image, 0, image, image.length - 512, 512);
        assertUncleanAndRepaired(image, "lies inside the last block");
    }

    @Test
    void dataWithoutItsBitIsNoted() {
        byte[] image = dynamic();
        int sector = ByteBuffer.wrap(image).getInt(TABLE + 4);
        image[sector * 512 + 3] = 0x7F;
        VhdCheck.Result result = check.check(new MemoryAccess(image));
        assertEquals(VhdVerdict.VALID, result.verdict());
        assertEquals(1, result.findings().size());
        assertEquals("the bitmap of block 1", result.findings().getFirst().where());
        Arrays.fill(image, (sector + 1 + 24) * 512, (sector + 1 + 25) * 512, (byte) 0);
        assertEquals(List.of(), findings(image));
    }

    // ---- chains

    private final Map<String, byte[]> files = new HashMap<>();

    private Optional<BlockAccess> open(String name) {
        return Optional.ofNullable(files.get(name)).map(MemoryAccess::new);
    }

    private void image(String name, UUID uuid, String parent, UUID parentUuid) {
        files.put(name, made(uuid, Optional.of(new ParentLink(parent, parentUuid))));
    }

    private List<VhdChainCheck.Checked> checkChain(String top) {
        return new VhdChainCheck(check, this::open).check(top, open(top).orElseThrow());
    }

    private void assertChain(String top, String... told) {
        List<String> found = new ArrayList<>();
        for (VhdChainCheck.Checked each : checkChain(top)) {
            found.add(each.name() + " " + each.result().verdict());
            each.result().findings().forEach(finding -> found.add(finding.toString()));
        }
        assertEquals(told.length, found.size(), found.toString());
        for (int i = 0; i < told.length; i++) {
            assertTrue(found.get(i).contains(told[i]), found.toString());
        }
    }

    @Test
    void chainsAreCheckedToTheirRoot() {
        image("leaf.vhd", new UUID(1, 3), "middle.vhd", new UUID(1, 2));
        image("middle.vhd", new UUID(1, 2), "root.vhd", new UUID(1, 1));
        files.put("root.vhd", made(new UUID(1, 1), Optional.empty()));
        assertChain("leaf.vhd", "leaf.vhd VALID", "middle.vhd VALID", "root.vhd VALID");
        footers(files.get("root.vhd"), out -> out.put(86, (byte) 1));
        assertChain(
                "leaf.vhd",
                "leaf.vhd VALID",
                "middle.vhd VALID",
                "root.vhd INVALID",
                "the footer at the start has reserved bytes");
        assertEquals(VhdVerdict.INVALID, VhdChainCheck.verdict(checkChain("leaf.vhd")));
    }

    @Test
    void aMissingParentIsTold() {
        image("leaf.vhd", new UUID(1, 3), "gone.vhd", new UUID(1, 2));
        assertChain(
                "leaf.vhd",
                "leaf.vhd INVALID",
                "gone.vhd with the UUID " + new UUID(1, 2) + " is not next to it");
    }

    @Test
    void anotherParentIsTold() {
        image("leaf.vhd", new UUID(1, 3), "root.vhd", new UUID(1, 2));
        files.put("root.vhd", made(new UUID(1, 1), Optional.empty()));
        assertChain(
                "leaf.vhd",
                "leaf.vhd INVALID",
                "it has the UUID " + new UUID(1, 1) + ", expected is " + new UUID(1, 2),
                "root.vhd VALID");
    }

    @Test
    void loopsAreTold() {
        image("a.vhd", new UUID(1, 1), "b.vhd", new UUID(1, 2));
        image("b.vhd", new UUID(1, 2), "a.vhd", new UUID(1, 1));
        assertChain("a.vhd", "a.vhd VALID", "b.vhd INVALID", "comes back to a.vhd");
    }

    @Test
    void rawParentsHaveNoUuid() {
        files.put("root.raw", new byte[1 << 20]);
        image("right.vhd", new UUID(1, 3), "root.raw", ParentLink.RAW);
        assertChain("right.vhd", "right.vhd VALID", "root.raw VALID");
        image("wrong.vhd", new UUID(1, 3), "root.raw", new UUID(1, 2));
        assertChain(
                "wrong.vhd", "wrong.vhd INVALID", "root.raw is plain content", "root.raw VALID");
        files.put("root.vhd", made(new UUID(1, 1), Optional.empty()));
        image("mixed.vhd", new UUID(1, 3), "root.vhd", ParentLink.RAW);
        assertChain(
                "mixed.vhd", "mixed.vhd INVALID", "expected is plain content", "root.vhd VALID");
    }

    /** The guest of a raw disk may have written a VHD to it. */
    @Test
    void plainContentMayLookLikeAnImage() {
        files.put("root.raw", dynamic());
        image("leaf.vhd", new UUID(1, 3), "root.raw", ParentLink.RAW);
        assertChain("leaf.vhd", "leaf.vhd VALID", "root.raw VALID");
    }

    // ---- maps

    private List<String> map(String top) {
        List<String> runs = new ArrayList<>();
        List<VhdChain.Layer> layers = VhdChain.open(top, open(top).orElseThrow(), this::open);
        VhdMap.tell(
                layers,
                (offset, length, layer) ->
                        runs.add(
                                offset
                                        + "+"
                                        + length
                                        + " "
                                        + (layer < 0 ? "zero" : layers.get(layer).name())));
        return runs;
    }

    /** Blocks of 64 KiB below blocks of 2 MiB, and only some sectors in the upper ones. */
    @Test
    void mapsTellTheUppermostImageThatHasSomething() {
        byte[] root =
                new VhdImageBuilder(4 << 20)
                        .blockBytes(BLOCK)
                        .block(0, data(1))
                        .block(40, data(2))
                        .build();
        files.put("root.vhd", root);
        UUID uuid = new VhdImageBuilder(DISK).footer().uuid();
        byte[] leaf = made(new UUID(1, 2), Optional.of(new ParentLink("root.vhd", uuid)));
        int end = leaf.length - 512;
        byte[] grown = Arrays.copyOf(leaf, end + 512 + (2 << 20) + 512);
        System.arraycopy(leaf, 0, grown, grown.length - 512, 512);
        ByteBuffer.wrap(grown).putInt(TABLE, end / 512);
        Arrays.fill(grown, end, end + 512, (byte) 0);
        grown[end + 1] = (byte) 0xF0;
        files.put("leaf.vhd", grown);
        assertEquals(
                List.of(
                        "0+4096 root.vhd",
                        "4096+2048 leaf.vhd",
                        "6144+59392 root.vhd",
                        "65536+2555904 zero",
                        "2621440+65536 root.vhd",
                        "2686976+5701632 zero"),
                map("leaf.vhd"));
        assertEquals(
                List.of(
                        "0+65536 root.vhd",
                        "65536+2555904 zero",
                        "2621440+65536 root.vhd",
                        "2686976+1507328 zero"),
                map("root.vhd"));
        files.remove("root.vhd");
        assertThrows(StorageException.class, () -> map("leaf.vhd"));
    }

    @Test
    void flatImagesAreOneRun() {
        files.put("fixed.vhd", fixed());
        assertEquals(List.of("0+" + DISK + " fixed.vhd"), map("fixed.vhd"));
    }

    /** The checker only looks. */
    @Test
    void changesNothing() {
        byte[] image = builder().batmap().unclean().build();
        MemoryAccess access = new MemoryAccess(image.clone());
        check.check(access);
        assertArrayEquals(image, access.content());
    }
}
