// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.VolumeStoreContract;
import dev.varve.sr.store.VolumeNotes;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Stream;

class FileVolumeStoreTest implements VolumeStoreContract {
    @TempDir Path root;
    private FileVolumeStore store;

    @BeforeEach
    void openStore() {
        store = new FileVolumeStore(root, FileStoreSettings.DEFAULT, Runnable::run);
        store.recover();
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    @Override
    public FileVolumeStore store() {
        return store;
    }

    @Override
    public FileVolumeStore reopen() {
        store.close();
        openStore();
        return store;
    }

    private static VolumeId vhd() {
        return new VolumeId(VolumeKind.VHD, UUID.randomUUID());
    }

    private void create(VolumeId id, Map<String, String> attributes) {
        store.commit(List.of(new VolumeChange.Create(id, MEBIBYTE, attributes)));
    }

    private Path home() {
        return root.resolve(".varve");
    }

    private static Set<String> namesIn(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return new TreeSet<>(files.map(file -> file.getFileName().toString()).toList());
        }
    }

    @Test
    void filesHaveTheDocumentedNames() throws IOException {
        UUID uuid = UUID.randomUUID();
        for (VolumeKind kind : VolumeKind.values()) {
            create(new VolumeId(kind, uuid), Map.of("a", "b"));
        }
        assertEquals(
                Set.of(".varve", uuid + ".vhd", uuid + ".raw", uuid + ".cbtlog"), namesIn(root));
        assertEquals(Set.of(uuid.toString()), namesIn(home().resolve("incoming")));
        assertEquals(Set.of(uuid + ".plan"), namesIn(home().resolve("journal")));
        assertEquals(Set.of(uuid.toString()), namesIn(home().resolve("meta")));
        assertEquals(
                Set.of(
                        uuid + ".vhd.json",
                        uuid + ".raw.json",
                        uuid + ".cbtlog.json",
                        uuid + ".incoming.json",
                        uuid + ".plan.json",
                        uuid + ".meta.json"),
                namesIn(home().resolve("volumes")));
    }

    @Test
    void commitLeavesNothingBehind() throws IOException {
        VolumeId id = vhd();
        create(id, Map.of("a", "b"));
        store.commit(
                List.of(
                        new VolumeChange.Rename(id, vhd()),
                        new VolumeChange.Create(id, MEBIBYTE, Map.of())));
        assertEquals(Set.of(), namesIn(home().resolve("commit")));
        assertEquals(Set.of(), namesIn(home().resolve("staging")));
        assertEquals(1, namesIn(home().resolve("volumes")).size());
    }

    @Test
    void aVolumeCanBeRemovedWhenThereIsNoRoom() throws IOException {
        VolumeId id = vhd();
        create(id, Map.of("a", "b"));
        FullFileOps disk = new FullFileOps();
        disk.fill();
        try (FileVolumeStore full =
                new FileVolumeStore(
                        root, disk, new OpenFiles(FileStoreSettings.DEFAULT, Runnable::run))) {
            full.commit(List.of(new VolumeChange.Delete(id)));
        }
        assertEquals(List.of(), store.list());
        assertEquals(Set.of(), namesIn(home().resolve("volumes")));
    }

    /**
     * The storage goes away when the journal of a commit is durable and the names are not in place.
     * The commit has happened, so an open volume goes by its new name although the call fails.
     */
    @Test
    void anOpenVolumeHasItsNewNameWhenACommitIsFinishedLater() {
        VolumeId old = vhd();
        create(old, Map.of("a", "b"));
        FileOps ops = new LinuxFileOps();
        boolean[] away = new boolean[1];
        FileOps leaving =
                (FileOps)
                        Proxy.newProxyInstance(
                                FileOps.class.getClassLoader(),
                                new Class<?>[] {FileOps.class},
                                (proxy, method, args) -> {
                                    if (away[0] && method.getName().equals("rename")) {
                                        throw ErrorCode.SR_IO_ERROR.because("gone");
                                    }
                                    try {
                                        return method.invoke(ops, args);
                                    } catch (InvocationTargetException e) {
                                        throw e.getCause();
                                    }
                                });
        try (FileVolumeStore failing =
                new FileVolumeStore(
                        root, leaving, new OpenFiles(FileStoreSettings.DEFAULT, Runnable::run))) {
            VolumeId base = vhd();
            try (StoreVolume open = failing.open(old, true)) {
                away[0] = true;
                List<VolumeChange> changes = List.of(new VolumeChange.Rename(old, base));
                assertThrows(StorageException.class, () -> failing.commit(changes));
                away[0] = false;
                assertEquals(base, open.id());
                failing.commit(List.of());
                assertEquals(Optional.empty(), failing.find(old));
                assertThrows(StorageException.class, () -> failing.open(base, true), "it is open");
            }
            failing.open(base, true).close();
        }
    }

    @Test
    void foreignFilesAreLeftAlone() throws IOException {
        UUID uuid = UUID.randomUUID();
        String upper = uuid.toString().toUpperCase(java.util.Locale.ROOT);
        List<String> foreign =
                List.of("notes.txt", upper + ".vhd", "1-2-3-4-5.vhd", uuid + ".vhd.bak", ".vhd");
        for (String name : foreign) {
            Files.writeString(root.resolve(name), name);
        }
        Files.createDirectory(root.resolve(uuid + ".vhd"));
        Files.createSymbolicLink(root.resolve(UUID.randomUUID() + ".vhd"), Path.of("/etc/passwd"));
        reopen();
        assertEquals(List.of(), store.list());
        for (String name : foreign) {
            assertEquals(name, Files.readString(root.resolve(name)));
        }
    }

    @Test
    void volumeWithoutSidecarHasNoAttributes() throws IOException {
        VolumeId id = vhd();
        Files.write(root.resolve(id.uuid() + ".vhd"), new byte[1024]);
        VolumeInfo found = store.find(id).orElseThrow();
        assertEquals(Map.of(), found.attributes());
        assertEquals(1024, found.sizeBytes());
        assertEquals(List.of(), store.problems());
    }

    @Test
    void damagedSidecarIsKeptAsideAndReported() throws IOException {
        VolumeId id = vhd();
        create(id, Map.of("label", "a"));
        Path sidecar = home().resolve("volumes").resolve(id.uuid() + ".vhd.json");
        String damaged = Files.readString(sidecar).replace("\"a\"", "\"b\"");
        Files.writeString(sidecar, damaged);
        assertEquals(Map.of(), store.list().getFirst().attributes());
        assertEquals(1, store.problems().size());
        assertTrue(store.problems().getFirst().contains(id.uuid().toString()));
        assertFalse(Files.exists(sidecar));
        assertEquals(
                damaged,
                Files.readString(sidecar.resolveSibling(sidecar.getFileName() + ".damaged")));
        store.commit(List.of(new VolumeChange.SetAttributes(id, Map.of("label", "c"))));
        assertEquals(Map.of("label", "c"), store.find(id).orElseThrow().attributes());
    }

    @Test
    void sidecarEditedByAPersonIsTakenWithoutChecksum() throws IOException {
        VolumeId id = vhd();
        create(id, Map.of("label", "a"));
        Path sidecar = home().resolve("volumes").resolve(id.uuid() + ".vhd.json");
        String edited =
                Files.readString(sidecar)
                        .replace("\"a\"", "\"b\"")
                        .replaceFirst(",\"crc32c\":\"[0-9a-f]{8}\"", "");
        Files.writeString(sidecar, edited);
        assertEquals(Map.of("label", "b"), store.find(id).orElseThrow().attributes());
    }

    @Test
    void sidecarOfARemovedFileDoesNotComeToLife() throws IOException {
        VolumeId id = vhd();
        create(id, Map.of("label", "old"));
        Files.delete(root.resolve(id.uuid() + ".vhd"));
        assertTrue(store.find(id).isEmpty());
        create(id, Map.of());
        assertEquals(Map.of(), store.find(id).orElseThrow().attributes());
    }

    @Test
    void imagesGrowInSteps() {
        VolumeId id = vhd();
        create(id, Map.of());
        try (var volume = store.open(id, true)) {
            assertEquals(64L << 20, volume.grow(MEBIBYTE + 1L).toCompletableFuture().join());
            assertEquals(128L << 20, volume.grow((64L << 20) + 1).toCompletableFuture().join());
        }
    }

    /**
     * Two daemons of one machine may have the same directory open. When one of them starts again,
     * what the other is still making must not go.
     */
    @Test
    void incomingImagesStayWhileAnotherStoreIsOpen() {
        VolumeId id = new VolumeId(VolumeKind.INCOMING, UUID.randomUUID());
        try (FileVolumeStore other =
                new FileVolumeStore(root, FileStoreSettings.DEFAULT, Runnable::run)) {
            other.recover();
            other.commit(List.of(new VolumeChange.Create(id, MEBIBYTE, Map.of())));
            assertTrue(reopen().find(id).isPresent());
        }
        assertTrue(reopen().find(id).isEmpty());
    }

    @Test
    void damagedJournalIsSetAsideWithWhatItNames() throws IOException {
        Path journal = home().resolve("commit/7.json");
        Files.writeString(journal, "{\"format\":\"varve-commit\",\"version\":1,\"moves\":[]}");
        Path staged = Files.writeString(home().resolve("staging/7-0"), "kept");
        reopen();
        assertFalse(Files.exists(journal));
        assertTrue(Files.exists(home().resolve("commit/7.json.damaged")));
        assertEquals(1, store.problems().size());
        assertEquals("kept", Files.readString(staged));
    }

    @Test
    void journalCannotReachOutsideOfTheDirectory() throws IOException {
        Names names = new Names(root);
        for (String target :
                List.of(
                        "../x.vhd",
                        "/etc/passwd",
                        ".varve/sr.json",
                        "x",
                        ".varve/volumes/../sr.json")) {
            assertTrue(names.targetFromJournal(target).isEmpty(), target);
        }
        assertTrue(names.stagedFromJournal("../1-2").isEmpty());
        UUID uuid = UUID.randomUUID();
        for (VolumeKind kind : VolumeKind.values()) {
            VolumeId id = new VolumeId(kind, uuid);
            for (Path file : List.of(names.file(id), names.sidecar(id))) {
                assertEquals(file, names.targetFromJournal(names.forJournal(file)).orElseThrow());
            }
        }
    }

    @Test
    void vanishedDirectoryIsNotAnEmptyStore() throws IOException {
        Path moved = root.resolveSibling(root.getFileName() + "-away");
        Files.move(root, moved);
        try {
            assertFails(ErrorCode.SR_UNAVAILABLE, () -> store.list());
            assertFails(ErrorCode.SR_UNAVAILABLE, () -> store.find(vhd()));
            assertFails(ErrorCode.SR_UNAVAILABLE, () -> store.open(vhd(), false).close());
            assertFails(ErrorCode.SR_UNAVAILABLE, () -> create(vhd(), Map.of()));
        } finally {
            Files.move(moved, root);
        }
        create(vhd(), Map.of());
        assertEquals(1, store.list().size());
    }

    @Test
    void documentsOfOtherKindOrNewerVersionAreNotTaken() {
        VolumeNotes notes = new VolumeNotes(true, false, Map.of("a", "b"));
        byte[] sidecar = Sidecar.encode(notes);
        assertEquals(notes, Sidecar.decode(sidecar).orElseThrow());
        assertTrue(IdentityFile.decode(sidecar).isEmpty());
        String newer = "{\"format\":\"varve-volume\",\"version\":2}";
        assertTrue(Sidecar.decode(newer.getBytes(StandardCharsets.UTF_8)).isEmpty());
        for (int length = 0; length < sidecar.length; length++) {
            assertTrue(Sidecar.decode(java.util.Arrays.copyOf(sidecar, length)).isEmpty());
        }
    }
}
