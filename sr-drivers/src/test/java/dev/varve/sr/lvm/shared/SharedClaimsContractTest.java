// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.contract.ClaimsContract;
import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Waiting;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Hosts that each have opened the same file on their own, in the time of the machine. */
class SharedClaimsContractTest implements ClaimsContract {
    private static final int SLOTS = 8;
    private static final ClaimSettings SETTINGS =
            ClaimSettings.shared().withGuard(TimeUnit.MILLISECONDS.toNanos(60));

    @TempDir Path directory;
    private final List<FileMedium> open = new ArrayList<>();
    private boolean formatted;

    @Override
    public Claims claims(UUID host, Holder process) {
        Path path = directory.resolve("lun");
        if (!formatted) {
            makeFile(path);
        }
        FileMedium medium = FileMedium.open(path, 512, true);
        open.add(medium);
        if (!formatted) {
            ClaimArea.format(medium, 4096, ClaimArea.bytes(SLOTS), new UUID(7, 7), new UUID(7, 8));
            formatted = true;
        }
        return SharedClaims.attach(
                ClaimArea.open(medium, 4096),
                host,
                process,
                SETTINGS,
                Clock.system(),
                RandomSource.secure(),
                Waiting.threads());
    }

    private static void makeFile(Path path) {
        try (RandomAccessFile file = new RandomAccessFile(path.toString(), "rw")) {
            file.setLength(4096 + ClaimArea.bytes(SLOTS));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @AfterEach
    void closeFiles() {
        open.forEach(FileMedium::close);
    }
}
