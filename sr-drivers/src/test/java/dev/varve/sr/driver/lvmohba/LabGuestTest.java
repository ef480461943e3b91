// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Real SCSI hosts in a virtual machine without acceleration: a SAS adapter, a RAID controller, and
 * two adapters that reach one LUN, first without and then with device-mapper. {@link LabGuest} is
 * what runs inside. Takes a minute or two, and some minutes more when the machine has to be made,
 * which is kept under {@code $VARVE_CACHE}, by default {@code varve} below {@code $XDG_CACHE_HOME}
 * or {@code ~/.cache}. {@code -Dlab.steps=one-path,resized} takes only these steps.
 */
@Tag("real")
@Tag("long")
class LabGuestTest {
    private static final long MAKE_MINUTES = 20;
    private static final long RUN_MINUTES = 15;

    @TempDir Path directory;

    private static Path tree() {
        String root = System.getProperty("varve.root");
        return root == null ? Path.of("").toAbsolutePath().getParent() : Path.of(root);
    }

    private static Path cache() {
        return environment("VARVE_CACHE")
                .or(() -> environment("XDG_CACHE_HOME").map(home -> home.resolve("varve")))
                .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache", "varve"))
                .resolve("lab");
    }

    private static Optional<Path> environment(String name) {
        return Optional.ofNullable(System.getenv(name))
                .filter(value -> !value.isEmpty())
                .map(Path::of);
    }

    private static boolean isInstalled(String program) {
        return Stream.of("/usr/bin", "/usr/sbin", "/usr/local/bin")
                .anyMatch(place -> Files.isExecutable(Path.of(place, program)));
    }

    @Test
    void discoveryAndPathsWorkOnRealScsiHosts() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "needs root");
        for (String program : List.of("debootstrap", "qemu-system-x86_64", "mke2fs", "tar")) {
            assumeTrue(isInstalled(program), "needs the program " + program);
        }
        make();
        pack();
        List<String> lines = boot();
        List<String> failed = lines.stream().filter(line -> line.startsWith("FAIL")).toList();
        assertEquals(List.of(), failed, () -> String.join("\n", lines));
        assertTrue(lines.contains("DONE"), () -> String.join("\n", lines));
        lines.stream().filter(line -> line.startsWith("PASS")).forEach(System.out::println);
    }

    // ---- the machine

    private void make() throws Exception {
        Path script = tree().resolve("sr-drivers/src/test/lab/make-image");
        Path log = directory.resolve("make.log");
        Process process =
                new ProcessBuilder(
                                "nice",
                                script.toString(),
                                cache().toString(),
                                System.getProperty("java.home"))
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        boolean ended = process.waitFor(MAKE_MINUTES, TimeUnit.MINUTES);
        process.destroy();
        assumeTrue(
                ended && process.exitValue() == 0,
                "the lab guest could not be made: " + Files.readString(log));
    }

    /** The class path of this test, and what starts it, as a tar on a disk. */
    private void pack() throws Exception {
        Path content = Files.createDirectory(directory.resolve("content"));
        List<String> names = new ArrayList<>();
        for (Path entry : classPath()) {
            String name = names.size() + "-" + entry.getFileName();
            run("cp", "-rL", entry.toString(), content.resolve(name).toString());
            names.add("/run/lab/" + name);
        }
        Files.writeString(
                content.resolve("run.sh"),
                Files.readString(tree().resolve("sr-drivers/src/test/lab/run.sh"))
                        .replace("@CLASS_PATH@", String.join(":", names))
                        .replace("@STEPS@", System.getProperty("lab.steps", "").replace(',', ' ')));
        run("tar", "-cf", directory.resolve("lab.tar").toString(), "-C", content.toString(), ".");
    }

    /** Maven runs tests in modules, with paths of their own; what is not needed is left out. */
    private static List<Path> classPath() {
        List<Path> entries = new ArrayList<>();
        for (String property : List.of("jdk.module.path", "java.class.path", "jdk.module.patch")) {
            String value = Optional.ofNullable(System.getProperty(property)).orElse("");
            Stream.of(value.split(File.pathSeparator, -1))
                    .filter(entry -> !entry.isEmpty())
                    .map(Path::of)
                    .filter(Files::exists)
                    .forEach(entries::add);
        }
        location(LabGuest.class).ifPresent(entries::add);
        return entries.stream().distinct().toList();
    }

    private static Optional<Path> location(Class<?> type) {
        // Tests that are patched into a module have the location of the module.
        String file = type.getName().replace('.', '/') + ".class";
        return Stream.of("sr-drivers/target/test-classes", "sr-drivers/target/classes")
                .map(tree()::resolve)
                .filter(place -> Files.exists(place.resolve(file)))
                .findFirst();
    }

    private static void run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).inheritIO().start();
        assertTrue(process.waitFor(2, TimeUnit.MINUTES), command[0]);
        assertEquals(0, process.exitValue(), () -> String.join(" ", command));
    }

    // ---- running

    private Path disk(String name, long bytes) throws IOException {
        Path file = directory.resolve(name + ".raw");
        try (RandomAccessFile disk = new RandomAccessFile(file.toFile(), "rw")) {
            disk.setLength(bytes);
        }
        return file;
    }

    private static String drive(String id, Path file, String options) {
        return "file=" + file + ",if=none,id=" + id + ",format=raw" + options;
    }

    private List<String> command() throws IOException {
        Path shared = disk("shared", 256L << 20);
        Path monitor = directory.resolve("monitor.sock");
        String path = ",serial=LABMP01,wwn=0x5000c500aaaa0003,share-rw=on";
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "nice",
                                "qemu-system-x86_64",
                                "-accel",
                                "tcg,thread=multi,tb-size=512",
                                "-cpu",
                                "qemu64,+smep",
                                "-smp",
                                "2",
                                "-m",
                                "1024",
                                "-nographic",
                                "-no-reboot",
                                "-nodefaults",
                                "-serial",
                                "stdio",
                                "-chardev",
                                "socket,id=monitor,server=on,wait=off,path=" + monitor,
                                "-mon",
                                "chardev=monitor,mode=control",
                                "-chardev",
                                "socket,id=line,path=" + monitor,
                                "-serial",
                                "chardev:line",
                                "-kernel",
                                cache().resolve("kernel").toString(),
                                "-initrd",
                                cache().resolve("initrd").toString(),
                                "-append",
                                "console=ttyS0 quiet panic=-1"));
        drives(command, drive("root", cache().resolve("root.ext4"), ",snapshot=on"));
        devices(command, "virtio-blk-pci,drive=root");
        drives(command, drive("tar", directory.resolve("lab.tar"), ",readonly=on"));
        devices(command, "virtio-blk-pci,drive=tar");
        drives(
                command,
                drive("sas", disk("sas", 64L << 20), ""),
                drive("raid", disk("raid", 64L << 20), ""),
                drive("one", shared, ",file.locking=off"),
                drive("two", shared, ",file.locking=off"));
        devices(
                command,
                "mptsas1068,id=sas0,sas_address=0x5000c50011111111",
                "scsi-hd,bus=sas0.0,drive=sas,scsi-id=0,serial=LABSAS01,wwn=0x5000c500aaaa0001,"
                        + "vendor=LABVEND,product=SASDISK",
                "megasas-gen2,id=mega0",
                "scsi-hd,bus=mega0.0,drive=raid,scsi-id=1,serial=LABMEGA1,wwn=0x5000c500aaaa0002",
                "virtio-scsi-pci,id=vs0",
                "virtio-scsi-pci,id=vs1",
                "scsi-hd,bus=vs0.0,drive=one" + path,
                "scsi-hd,bus=vs1.0,drive=two" + path);
        return command;
    }

    private static void drives(List<String> command, String... drives) {
        for (String drive : drives) {
            command.add("-drive");
            command.add(drive);
        }
    }

    private static void devices(List<String> command, String... devices) {
        for (String device : devices) {
            command.add("-device");
            command.add(device);
        }
    }

    private List<String> boot() throws Exception {
        Path console = directory.resolve("console.log");
        Process process =
                new ProcessBuilder(command())
                        .redirectErrorStream(true)
                        .redirectInput(Path.of("/dev/null").toFile())
                        .redirectOutput(console.toFile())
                        .start();
        try {
            boolean ended = process.waitFor(RUN_MINUTES, TimeUnit.MINUTES);
            String text = new String(Files.readAllBytes(console), StandardCharsets.UTF_8);
            assertTrue(ended, () -> "the lab guest did not end:\n" + text);
            return text.lines().map(String::strip).toList();
        } finally {
            process.destroyForcibly();
        }
    }
}
