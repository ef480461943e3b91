// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.ClaimsContract;
import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;

class FileClaimsTest implements ClaimsContract {
    @TempDir Path root;
    private final FileOps ops = new LinuxFileOps();
    private final Holder self = Holder.self();

    @BeforeEach
    void makeDirectories() {
        FileVolumeStore.prepare(new Names(root), ops);
    }

    @Override
    public Claims claims(UUID host, Holder process) {
        return new FileClaims(root, host, ops, process);
    }

    private Claims ours() {
        return claims(US, self);
    }

    @Test
    void thisProcessLives() {
        assertFalse(self.isGone(self));
        assertTrue(ClaimsContract.gone().isGone(self));
        assertEquals(self, Holder.self());
    }

    /**
     * The child ends when its input does, which is after its parent has become a program that never
     * asks for the end of a child.
     */
    @Test
    void processOfWhichOnlyItsEntryIsLeftIsGone() throws Exception {
        String script = "exec 3<&0; cat <&3 >/dev/null & echo $!; exec sleep 60";
        Process parent = new ProcessBuilder("sh", "-c", script).start();
        try {
            long pid = Long.parseLong(parent.inputReader().readLine());
            awaitField(parent.pid(), 1, "(sleep)");
            parent.getOutputStream().close();
            String[] fields = awaitField(pid, 2, "Z");
            long start = Long.parseLong(fields[21]);
            assertTrue(new Holder(self.bootId(), self.pidNamespace(), pid, start).isGone(self));
        } finally {
            parent.destroyForcibly();
        }
    }

    private static String[] awaitField(long pid, int field, String value) throws IOException {
        Path stat = Path.of("/proc", Long.toString(pid), "stat");
        while (true) {
            String[] fields = Files.readString(stat).split(" ", -1);
            if (fields[field].equals(value)) {
                return fields;
            }
            Thread.onSpinWait();
        }
    }

    @Test
    void aFullRepositoryHasRoomForAClaim() {
        FullFileOps disk = new FullFileOps();
        Claims claims = new FileClaims(root, US, disk, self);
        claims.release(claims.acquire(DISK, Mode.WRITE));
        disk.fill();
        Claims.Claim claim = claims.acquire(DISK, Mode.WRITE);
        assertEquals(List.of(claim), claims.holders(DISK));
        disk.fill();
        UUID other = new UUID(0, 4);
        assertFails(ErrorCode.SR_NO_SPACE, () -> claims.acquire(other, Mode.WRITE));
        claims.release(claim);
        assertEquals(List.of(), claims.holders(DISK));
    }

    @Test
    void unreadableClaimOfAnotherHostExcludesUs() throws IOException {
        Path file = root.resolve(".varve/claims").resolve(DISK + "." + THEM + ".json");
        Files.writeString(file, "{");
        assertFails(ErrorCode.SR_VDI_IN_USE, () -> ours().acquire(DISK, Mode.READ));
        Files.move(file, file.resolveSibling(DISK + "." + US + ".json"));
        ours().acquire(DISK, Mode.WRITE);
    }

    @Test
    void foreignFilesAreNoClaims() throws IOException {
        Path directory = root.resolve(".varve/claims");
        Files.writeString(directory.resolve(DISK + ".json"), "{");
        Files.writeString(directory.resolve(DISK + ".x.json"), "{");
        Files.writeString(directory.resolve(DISK + "." + THEM + ".json.tmp"), "{");
        assertEquals(List.of(), ours().holders(DISK));
        ours().acquire(DISK, Mode.WRITE);
    }

    @Test
    void damagedEpochIsNotStartedAgain() throws IOException {
        ours().acquire(DISK, Mode.WRITE);
        Files.writeString(root.resolve(".varve/claims/epoch.json"), "{");
        StorageException failure =
                assertFails(ErrorCode.SR_METADATA, () -> ours().acquire(DISK, Mode.WRITE));
        assertTrue(failure.sentence().contains("epoch.json"));
    }
}
