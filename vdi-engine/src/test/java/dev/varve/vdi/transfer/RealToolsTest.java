// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.engine.Tool;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.UUID;

/** What goes out as qemu-img and libvhdi read it, and images that qemu-img made coming in. */
@Tag("real")
class RealToolsTest {
    private static final int BLOCK = Repository.BLOCK;
    private static final int SIZE = 12 * BLOCK;

    /** Opens an image, and its parent when that is given, and writes what it reads. */
    private static final String LIBVHDI =
            """
            import sys, pyvhdi
            images = []
            for path in sys.argv[2:]:
                image = pyvhdi.file()
                image.open(path)
                images.append(image)
            for image, parent in zip(images, images[1:]):
                image.set_parent(parent)
            with open(sys.argv[1], 'wb') as out:
                left = images[0].get_media_size()
                while left > 0:
                    data = images[0].read_buffer(min(left, 1 << 20))
                    out.write(data)
                    left -= len(data)
            """;

    @TempDir Path folder;
    private Repository repository;

    @BeforeEach
    void start() throws IOException {
        Tool.require("qemu-img", "vhdiinfo", "python3");
        repository = new Repository(folder.resolve("store"));
    }

    @AfterEach
    void stop() {
        repository.close();
    }

    private Path file(String name) {
        return folder.resolve(name);
    }

    /** A disk of ten images. */
    private UUID deep() {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        for (int depth = 0; depth < 10; depth++) {
            int count = 1 + repository.random.nextInt(5);
            for (int i = 0; i < count; i++) {
                int length = 4096 * (1 + repository.random.nextInt(32));
                repository.write(
                        vdi, 4096 * repository.random.nextInt((SIZE - length) / 4096), length);
            }
            repository.snapshot(vdi);
        }
        return vdi;
    }

    @Test
    void othersReadCollapsedChains() throws Exception {
        UUID vdi = deep();
        byte[] model = repository.models.get(vdi);
        Path raw = repository.export(TransferFormat.RAW, vdi, file("disk.raw"));
        assertArrayEquals(model, Files.readAllBytes(raw));
        Path vhd = repository.export(TransferFormat.VHD, vdi, file("disk.vhd"));
        Tool.run("qemu-img", "compare", "-f", "vpc", "-F", "raw", vhd.toString(), raw.toString());
        assertArrayEquals(model, libvhdi(vhd));
        String info = Tool.run("vhdiinfo", vhd.toString());
        assertTrue(info.contains("Dynamic"), info);
        assertTrue(info.contains(vdi.toString()), info);
    }

    private byte[] libvhdi(Path... chain) throws Exception {
        Path out = Files.createTempFile(folder, "libvhdi", ".raw");
        String[] command = {"/usr/bin/python3", "-c", LIBVHDI, out.toString()};
        int at = command.length;
        command = Arrays.copyOf(command, at + chain.length);
        for (Path image : chain) {
            command[at++] = image.toString();
        }
        Tool.run(command);
        return Files.readAllBytes(out);
    }

    @Test
    void othersReadDifferencesOverTheirBase() throws Exception {
        UUID vdi = deep();
        UUID base = repository.snapshot(vdi);
        repository.write(vdi, 3 * BLOCK, 8192);
        repository.discard(vdi, 5L * BLOCK, BLOCK);
        Path below = repository.export(TransferFormat.VHD, base, file(base + ".vhd"));
        Path above = repository.exportDifference(base, vdi, file(vdi + ".vhd"));
        assertTrue(Files.size(above) < 3L * BLOCK, () -> "it has to be small");
        assertArrayEquals(repository.models.get(vdi), libvhdi(above, below));
        String info = Tool.run("vhdiinfo", above.toString());
        assertTrue(info.contains("Parent identifier\t: " + base), info);
        assertTrue(info.contains(base + ".vhd"), info);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "vpc,subformat=dynamic,force_size=on",
                "vpc,subformat=fixed,force_size=on",
                "vmdk,subformat=streamOptimized"
            })
    void imagesOfQemuComeIn(String options) throws Exception {
        byte[] model = new byte[SIZE];
        for (int i = 0; i < 9; i++) {
            int length = 512 * (1 + repository.random.nextInt(9000));
            byte[] data = new byte[length];
            repository.random.nextBytes(data);
            System.arraycopy(
                    data, 0, model, 512 * repository.random.nextInt((SIZE - length) / 512), length);
        }
        Path raw = Files.write(file("model.raw"), model);
        Path image = converted(raw, options);
        TransferFormat format =
                options.startsWith("vmdk") ? TransferFormat.VMDK : TransferFormat.VHD;
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        repository.write(vdi, 4096, 4096);
        byte[] before = repository.models.get(vdi);

        byte[] all = Files.readAllBytes(image);
        for (int cut : new int[] {600, all.length / 3, all.length - 5 * 65536}) {
            repository.requireRefused(
                    vdi,
                    ErrorCode.IMPORT_ERROR_GENERIC,
                    () -> repository.replace(vdi, format, Arrays.copyOf(all, cut)));
        }
        assertArrayEquals(before, repository.content(vdi));
        repository.replace(vdi, format, image);
        repository.models.put(vdi, model);
        repository.requireModel(vdi);
    }

    private Path converted(Path raw, String options) throws Exception {
        int comma = options.indexOf(',');
        Path image = file("qemu." + options.substring(0, comma));
        Tool.run(
                "qemu-img",
                "convert",
                "-f",
                "raw",
                "-O",
                options.substring(0, comma),
                "-o",
                options.substring(comma + 1),
                raw.toString(),
                image.toString());
        return image;
    }

    /** The disk is larger than the 1 TiB at which other importers gave up. */
    @Test
    void disksOfMoreThanOneTebibyteGoOutAndComeIn() throws Exception {
        long size = (3L << 39) + 6 * BLOCK; // 1.5 TiB
        UUID vdi = repository.create(VolumeKind.VHD, size);
        byte[] data = new byte[8192];
        repository.random.nextBytes(data);
        repository.write(vdi, 0, data);
        repository.write(vdi, size - data.length, data);
        Path vhd = repository.export(TransferFormat.VHD, vdi, file("large.vhd"));
        assertTrue(Files.size(vhd) < 16 << 20, () -> "it has to be small");
        String info = Tool.run("qemu-img", "info", "-f", "vpc", vhd.toString());
        assertTrue(info.contains("(" + size + " bytes)"), info);

        UUID copy = repository.create(VolumeKind.VHD, size);
        repository.replace(copy, TransferFormat.VHD, vhd);
        Path again = repository.export(TransferFormat.VHD, copy, file("again.vhd"));
        Tool.run("qemu-img", "compare", "-f", "vpc", "-F", "vpc", vhd + "", again + "");
        assertArrayEquals(data, repository.content(copy, size - data.length, data.length));
    }

    /** As Hyper-V makes them: blocks in another order than those of the disk. */
    @Test
    void blocksComeInAnyOrder() throws Exception {
        UUID vdi = repository.create(VolumeKind.VHD, SIZE);
        for (int block : new int[] {7, 2, 9, 0, 5}) {
            repository.write(vdi, block * BLOCK + 512 * block, 8192);
        }
        UUID copy = repository.create(VolumeKind.VHD, SIZE);
        repository.replace(copy, TransferFormat.VHD, repository.file(vdi));
        repository.models.put(copy, repository.models.get(vdi));
        repository.requireModel(copy);
        assertEquals(SIZE, repository.content(copy).length);
    }
}
