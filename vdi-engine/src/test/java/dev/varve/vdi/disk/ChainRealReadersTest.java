// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.Tool;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFinding;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdImageBuilder;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Trees of images as other programs read them: libvhdi, told of the parents one by one and as it
 * finds them itself, and 7-Zip, which finds them by the names in the images. qemu-img cannot read
 * images with a parent; it judges copies.
 *
 * <p>What these programs cannot read is judged by the others, or by our own reader alone:
 *
 * <ul>
 *   <li>libvhdi 20210425 takes the rest of a byte of a bitmap as written where a run of written
 *       sectors ends in it, and the padding of small bitmaps for bits. It judges runs that end at
 *       multiples of 4 KiB in blocks of 2 MiB and more.
 *   <li>7-Zip 26 refuses a table with more room than the disk needs, and the mark of inner nodes.
 *       It gets copies that differ in that.
 *   <li>Neither reads behind the end of a parent that is smaller than its child, or from a parent
 *       that is plain content.
 * </ul>
 */
@Tag("real")
class ChainRealReadersTest {
    private static final int BLOCK = 2 << 20;
    private static final int SIZE = 5 * BLOCK;

    /** Opens an image and those below it by the names that they give, and writes what it reads. */
    private static final String LIBVHDI =
            """
            import os, sys, pyvhdi
            chain = []
            def opened(path):
                image = pyvhdi.file()
                image.open(path)
                chain.append(image)
                name = image.get_parent_filename()
                if name:
                    name = name.replace('\\\\', '/').split('/')[-1]
                    image.set_parent(opened(os.path.join(os.path.dirname(path), name)))
                return image
            image = opened(sys.argv[1])
            with open(sys.argv[2], 'wb') as out:
                left = image.get_media_size()
                while left > 0:
                    data = image.read_buffer(min(left, 1 << 20))
                    out.write(data)
                    left -= len(data)
            print(len(chain))
            """;

    /** Who can be asked about an image. */
    private enum Judge {
        LIBVHDI,
        MOUNT,
        SEVEN_ZIP
    }

    private static final Set<Judge> ALL = EnumSet.allOf(Judge.class);

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 300, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(clock);
    private final Map<UUID, byte[]> models = new HashMap<>();
    private final Random random = new Random(11);

    /** Images by others, which are not in order in every respect. */
    private final Set<UUID> foreign = new HashSet<>();

    /** Runs of sectors begin and end at multiples of this. */
    private int unit = 4096;

    private Path work;
    private FolderStore store;
    private VdiEngine engine;
    private Disks disks;
    private volatile Throwable trouble;

    @BeforeEach
    void start() throws IOException {
        Tool.require("qemu-img", "vhdiinfo", "vhdimount", "7zz", "python3", "cmp");
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        work = Files.createDirectory(directory.resolve("work"));
        store = new FolderStore(Files.createDirectory(directory.resolve("store")));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(VolumeKind.VHD, format, VolumeKind.RAW, new RawFormat()),
                        RandomSource.secure());
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    // ---- disks and their models

    private UUID create() {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, VolumeKind.VHD, SIZE, "disk", "", false), operation);
        models.put(uuid, new byte[SIZE]);
        return uuid;
    }

    private Path file(UUID vdi) {
        return store.path(new VolumeId(VolumeKind.VHD, vdi));
    }

    /** Writes runs of sectors all over the disk, and one whole block. */
    private void write(UUID vdi) {
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        byte[] model = models.get(vdi);
        for (int i = 0; i < 12; i++) {
            int length = unit * (1 + random.nextInt((32 << 10) / unit));
            write(client, model, unit * random.nextInt((model.length - length) / unit), length);
        }
        write(client, model, BLOCK * random.nextInt(model.length / BLOCK), BLOCK);
        active.close(operation);
    }

    private void write(DiskClient client, byte[] model, int offset, int length) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        client.write(offset, data);
        System.arraycopy(data, 0, model, offset, length);
    }

    private UUID snapshot(UUID vdi) {
        UUID snapshot = UUID.randomUUID();
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        models.put(snapshot, models.get(vdi).clone());
        return snapshot;
    }

    /** An image as other programs or an operator leave it there, and its name. */
    private UUID put(byte[] image) throws IOException {
        UUID uuid = UUID.randomUUID();
        Files.write(file(uuid), image);
        return uuid;
    }

    private ImageInfo inspect(UUID vdi) {
        VolumeId id = new VolumeId(VolumeKind.VHD, vdi);
        try (OpenVolume open = engine.open(store.open(id, false), false)) {
            return format.inspect(open.access(operation));
        }
    }

    /** An empty child of whatever there is. */
    private UUID child(String parent, UUID parentUuid, byte[] content, int size) {
        UUID uuid = UUID.randomUUID();
        VolumeId id = new VolumeId(VolumeKind.VHD, uuid);
        ImageSpec spec =
                new ImageSpec(
                        UUID.randomUUID(),
                        size,
                        size,
                        Optional.of(new ParentLink(parent, parentUuid)));
        store.commit(List.of(new VolumeChange.Create(id, 0, Map.of())));
        try (OpenVolume open = engine.open(store.open(id, true), true)) {
            BlockAccess access = open.access(operation);
            format.create(access, spec, operation);
        }
        models.put(uuid, Arrays.copyOf(content, size));
        return uuid;
    }

    private UUID childOf(UUID parent, byte[] content) {
        UUID image = inspect(parent).uuid().orElseThrow();
        return child(file(parent).getFileName().toString(), image, content, content.length);
    }

    // ---- judges

    private void judge(UUID vdi) throws Exception {
        judge(vdi, ALL);
    }

    private void judge(UUID vdi, Set<Judge> judges) throws Exception {
        byte[] model = models.get(vdi);
        Path expected = Files.write(work.resolve("expected.raw"), model);
        ActiveVdi active = disks.activate(vdi, false, operation);
        DiskClient client = new DiskClient(active);
        for (int at = 0; at < model.length; at += BLOCK) {
            int length = Math.min(BLOCK, model.length - at);
            int wrong =
                    Arrays.mismatch(
                            client.read(at, length), Arrays.copyOfRange(model, at, at + length));
            assertEquals(-1, wrong, "our own reader differs in the block at " + at);
        }
        active.close(operation);
        assertInOrder();
        if (judges.contains(Judge.LIBVHDI)) {
            askLibvhdi(file(vdi), expected);
        }
        if (judges.contains(Judge.MOUNT)) {
            askMount(file(vdi), expected);
        }
        if (judges.contains(Judge.SEVEN_ZIP)) {
            askSevenZip(vdi, expected);
        }
        askQemuAboutACopy(vdi, expected);
    }

    private void assertInOrder() {
        for (VolumeInfo volume : store.list()) {
            if (volume.id().kind() == VolumeKind.VHD && !foreign.contains(volume.id().uuid())) {
                assertEquals(List.of(), findings(volume.id().uuid()));
            }
        }
    }

    private List<VhdFinding> findings(UUID vdi) {
        VolumeId id = new VolumeId(VolumeKind.VHD, vdi);
        try (OpenVolume open = engine.open(store.open(id, false), false)) {
            return new VhdCheck(clock).check(open.access(operation)).findings();
        }
    }

    private void askLibvhdi(Path image, Path expected) throws Exception {
        Path script = Files.writeString(work.resolve("read.py"), LIBVHDI);
        Path out = work.resolve("libvhdi.raw");
        Tool.run("/usr/bin/python3", script.toString(), image.toString(), out.toString());
        same("libvhdi", out, expected);
        Files.delete(out);
    }

    /** It finds the parents by their names, in the same directory. */
    private void askMount(Path image, Path expected) throws Exception {
        if (!Files.exists(Path.of("/dev/fuse"))) {
            return;
        }
        Path point = Files.createTempDirectory(work, "fuse");
        Tool.run("vhdimount", image.toString(), point.toString());
        try {
            long count;
            try (var files = Files.list(point)) {
                count = files.count();
            }
            same("vhdimount", point.resolve("vhdi" + count), expected);
        } finally {
            Tool.run("umount", point.toString());
        }
    }

    private void askSevenZip(UUID vdi, Path expected) throws Exception {
        Path copies = Files.createTempDirectory(work, "copies");
        Path out = Files.createTempDirectory(work, "7z");
        for (VolumeInfo volume : store.list()) {
            Path file = store.path(volume.id());
            byte[] image = Files.readAllBytes(file);
            Files.write(copies.resolve(file.getFileName()), forSevenZip(image));
        }
        Path copy = copies.resolve(file(vdi).getFileName());
        Tool.run("7zz", "x", "-tvhd", "-y", "-o" + out, copy.toString());
        Path extracted;
        try (var files = Files.list(out)) {
            extracted = files.findFirst().orElseThrow();
        }
        same("7-Zip", extracted, expected);
    }

    /** The same image with a table of as many entries as are needed, and without hidden mark. */
    private static byte[] forSevenZip(byte[] image) {
        ByteBuffer out = ByteBuffer.wrap(image);
        boolean fixed = out.getInt(image.length - 512 + 60) == 2;
        for (int at : fixed ? new int[] {image.length - 512} : new int[] {0, image.length - 512}) {
            image[at + 85] = 0;
            VhdImageBuilder.sealFooter(image, at);
        }
        if (!fixed) {
            int header = (int) out.getLong(16);
            int block = out.getInt(header + 32);
            out.putInt(header + 28, (int) ((out.getLong(48) + block - 1) / block));
            VhdImageBuilder.sealHeader(image, header);
        }
        return image;
    }

    private static void same(String who, Path found, Path expected) throws Exception {
        Tool.Result result = Tool.tryRun("cmp", found.toString(), expected.toString());
        assertEquals(0, result.status(), who + " reads something else: " + result.output());
    }

    /** One without a parent, which qemu-img can read. */
    private void askQemuAboutACopy(UUID vdi, Path expected) throws Exception {
        UUID copy = UUID.randomUUID();
        long size = models.get(vdi).length;
        disks.copy(
                vdi, disks, new VdiSpec(copy, VolumeKind.VHD, size, "copy", "", false), operation);
        Tool.run(
                "qemu-img",
                "compare",
                "-f",
                "vpc",
                "-F",
                "raw",
                file(copy).toString(),
                expected.toString());
        disks.destroy(copy, operation);
    }

    // ---- trees of ours

    @ParameterizedTest
    @ValueSource(ints = {2, 5, 30})
    void chains(int depth) throws Exception {
        UUID vdi = create();
        write(vdi);
        UUID snapshot = null;
        for (int i = 1; i < depth; i++) {
            snapshot = snapshot(vdi);
            write(vdi);
        }
        judge(vdi);
        judge(snapshot);
    }

    /** Of any alignment, which only 7-Zip reads right. */
    @ParameterizedTest
    @ValueSource(ints = {2, 7})
    void chainsWithSingleSectors(int depth) throws Exception {
        unit = 512;
        UUID vdi = create();
        write(vdi);
        for (int i = 1; i < depth; i++) {
            snapshot(vdi);
            write(vdi);
        }
        judge(vdi, EnumSet.of(Judge.SEVEN_ZIP));
    }

    @Test
    void anImageThatIsLargerThanItsParent() throws Exception {
        UUID vdi = create();
        write(vdi);
        UUID snapshot = snapshot(vdi);
        disks.resize(vdi, SIZE + 3 * BLOCK, operation);
        models.put(vdi, Arrays.copyOf(models.get(vdi), SIZE + 3 * BLOCK));
        write(vdi);
        String info = Tool.run("vhdiinfo", file(vdi).toString());
        assertTrue(info.contains("(" + (SIZE + 3 * BLOCK) + " bytes)"), info);
        judge(vdi, Set.of());
        judge(snapshot);
    }

    @Test
    void aDiskThatWasResizedAlone() throws Exception {
        UUID vdi = create();
        write(vdi);
        disks.resize(vdi, SIZE + BLOCK, operation);
        models.put(vdi, Arrays.copyOf(models.get(vdi), SIZE + BLOCK));
        String info = Tool.run("vhdiinfo", file(vdi).toString());
        assertTrue(info.contains("(" + (SIZE + BLOCK) + " bytes)"), info);
        judge(vdi);
    }

    @Test
    void snapshotsOfSnapshotsAndClones() throws Exception {
        UUID vdi = create();
        write(vdi);
        UUID first = snapshot(vdi);
        UUID second = snapshot(first);
        write(vdi);
        UUID clone = UUID.randomUUID();
        disks.clone(second, clone, operation);
        models.put(clone, models.get(second).clone());
        write(clone);
        UUID third = snapshot(clone);
        write(clone);
        for (UUID each : List.of(vdi, first, second, clone, third)) {
            judge(each);
        }
    }

    @Test
    void aDiskThatWasRevertedTwice() throws Exception {
        UUID vdi = create();
        write(vdi);
        UUID first = snapshot(vdi);
        write(vdi);
        UUID second = snapshot(vdi);
        write(vdi);
        disks.revert(vdi, first, operation);
        models.put(vdi, models.get(first).clone());
        judge(vdi);
        write(vdi);
        judge(vdi);
        disks.revert(vdi, second, operation);
        models.put(vdi, models.get(second).clone());
        write(vdi);
        judge(vdi);
        judge(first);
    }

    @Test
    void whatWasDiscardedOrMadeZeroAboveData() throws Exception {
        UUID vdi = create();
        write(vdi);
        snapshot(vdi);
        ActiveVdi active = disks.activate(vdi, true, operation);
        DiskClient client = new DiskClient(active);
        byte[] model = models.get(vdi);
        client.writeZeroes(BLOCK - 4096, 8192, 0);
        Arrays.fill(model, BLOCK - 4096, BLOCK + 4096, (byte) 0);
        client.writeZeroes(2 * BLOCK, BLOCK, 0);
        Arrays.fill(model, 2 * BLOCK, 3 * BLOCK, (byte) 0);
        client.discard(3 * BLOCK + 4096, BLOCK + 8192);
        System.arraycopy(client.read(3 * BLOCK, 2 * BLOCK), 0, model, 3 * BLOCK, 2 * BLOCK);
        active.close(operation);
        judge(vdi);
    }

    /** A disk without parent gives blocks up, and uses some again in part. */
    @Test
    void blocksThatWereGivenUpAndUsedAgain() throws Exception {
        UUID vdi = create();
        byte[] model = models.get(vdi);
        for (int round = 0; round < 3; round++) {
            ActiveVdi active = disks.activate(vdi, true, operation);
            DiskClient client = new DiskClient(active);
            write(client, model, BLOCK, 2 * BLOCK);
            client.flush();
            client.discard(BLOCK, 2 * BLOCK);
            client.flush();
            System.arraycopy(client.read(BLOCK, 2 * BLOCK), 0, model, BLOCK, 2 * BLOCK);
            write(client, model, BLOCK + 8192 * (round + 1), 4096);
            client.flush();
            if (round == 1) {
                engine.close(); // as a process that is killed
                store.killed();
                start(store);
            } else {
                active.close(operation);
            }
        }
        judge(vdi);
        snapshot(vdi);
        write(vdi);
        judge(vdi);
    }

    private void start(FolderStore same) {
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        disks =
                new Disks(
                        same,
                        engine,
                        Map.of(VolumeKind.VHD, format, VolumeKind.RAW, new RawFormat()),
                        RandomSource.secure());
    }

    // ---- parents of other kinds

    private byte[] content(int size) {
        byte[] content = new byte[size];
        for (int i = 0; i < 30; i++) {
            byte[] piece = new byte[4096 * (1 + random.nextInt(25))];
            random.nextBytes(piece);
            System.arraycopy(
                    piece,
                    0,
                    content,
                    4096 * random.nextInt((size - piece.length) / 4096),
                    piece.length);
        }
        return content;
    }

    /**
     * Neither libvhdi nor 7-Zip know parents that are plain content: only our own reader judges.
     */
    @Test
    void aChildOfPlainContent() throws Exception {
        byte[] content = content(SIZE);
        UUID parent = UUID.randomUUID();
        VolumeId id = new VolumeId(VolumeKind.RAW, parent);
        Files.write(store.path(id), content);
        UUID vdi = child(store.nameOf(id), ParentLink.RAW, content, SIZE);
        judge(vdi, Set.of());
        write(vdi);
        judge(vdi, Set.of());
        snapshot(vdi);
        write(vdi);
        judge(vdi, Set.of());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "subformat=dynamic,force_size=on",
                "subformat=fixed,force_size=on",
                "subformat=dynamic",
                "subformat=fixed"
            })
    void childrenOfImagesOfQemu(String options) throws Exception {
        Path raw = Files.write(work.resolve("source.raw"), content(SIZE));
        Path image = work.resolve("qemu.vhd");
        Tool.run(
                "qemu-img",
                "convert",
                "-f",
                "raw",
                "-O",
                "vpc",
                "-o",
                options,
                raw.toString(),
                image.toString());
        UUID parent = put(Files.readAllBytes(image));
        foreign.add(parent);
        List<String> findings = findings(parent).stream().map(VhdFinding::what).toList();
        if (options.contains("force_size")) {
            // The reference stack's checker finds the same.
            assertEquals(1, findings.size(), findings.toString());
            assertTrue(findings.getFirst().startsWith("has the geometry"), findings.toString());
        } else {
            assertEquals(List.of(), findings);
        }
        byte[] content = Arrays.copyOf(Files.readAllBytes(raw), (int) inspect(parent).sizeBytes());
        UUID vdi = childOf(parent, content);
        judge(vdi);
        write(vdi);
        judge(vdi);
        snapshot(vdi);
        write(vdi);
        judge(vdi);
    }

    @Test
    void aChildOfAFixedImageOfOurs() throws Exception {
        byte[] content = content(SIZE);
        UUID parent = put(new byte[0]);
        VolumeId id = new VolumeId(VolumeKind.VHD, parent);
        try (OpenVolume open = engine.open(store.open(id, true), true)) {
            format.createFixed(open.access(operation), UUID.randomUUID(), SIZE);
            open.access(operation).write(0, content);
            open.access(operation).flush();
        }
        UUID vdi = childOf(parent, content);
        write(vdi);
        judge(vdi);
    }

    /** Blocks of other sizes below; of small ones libvhdi is no judge. */
    @ParameterizedTest
    @ValueSource(ints = {64 << 10, 512 << 10, 4 << 20})
    void childrenOfImagesWithOtherBlocks(int blockBytes) throws Exception {
        int size = 4 * BLOCK;
        byte[] content = new byte[size];
        VhdImageBuilder builder = new VhdImageBuilder(size).blockBytes(blockBytes);
        for (int block = 0; block < size / blockBytes; block += 2) {
            byte[] data = new byte[blockBytes];
            random.nextBytes(data);
            System.arraycopy(data, 0, content, block * blockBytes, blockBytes);
            builder.block(block, data);
        }
        UUID vdi = childOf(put(builder.build()), content);
        Set<Judge> judges = blockBytes < BLOCK ? EnumSet.of(Judge.SEVEN_ZIP) : ALL;
        judge(vdi, judges);
        write(vdi);
        judge(vdi, judges);
    }
}
