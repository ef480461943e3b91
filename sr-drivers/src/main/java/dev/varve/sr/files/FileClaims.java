// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;
import java.util.function.LongUnaryOperator;
import java.util.function.Supplier;

/**
 * Claims as files in the directory of the repository, one for each host that uses a disk.
 *
 * <table>
 * <caption>{@code .varve/claims/<vdi>.<host>.json}, besides the fields of {@link Documents}</caption>
 * <tr><th>field</th><th>type</th><th>meaning</th></tr>
 * <tr><td>format</td><td>text</td><td>{@code varve-claim}</td></tr>
 * <tr><td>vdi, host</td><td>text</td><td>the UUIDs of the file name</td></tr>
 * <tr><td>mode</td><td>text</td><td>{@code READ} or {@code WRITE}</td></tr>
 * <tr><td>epoch</td><td>number</td><td>higher than that of every earlier claim</td></tr>
 * <tr><td>bootId, pidNamespace, pid, startTicks</td><td></td><td>{@link Holder}</td></tr>
 * </table>
 *
 * <p>{@code .varve/claims/epoch.json} (format {@code varve-epoch}) holds the last epoch that was
 * given out in its field {@code last}; it grows with a claim on any disk, and so on each.
 *
 * <p>All of it is read and changed under a lock on {@code .varve/claims/lock}, which goes with the
 * process that holds it. Files are replaced whole and synced before the lock is given up.
 *
 * <p>What is taken over: claims of this host, unless the process that made them is certain to be
 * another one that lives; and claims of any host whose process is certain to be gone, which only a
 * process of the same boot and process namespace can tell. A host that lost power is another boot:
 * its claims stay until it comes back and takes them over itself. Nothing is taken over for being
 * old.
 *
 * <p><b>What this does not do:</b> the lock is as good as {@code flock(2)} on the file system. On
 * NFS that needs a server with locking; on a cluster file system without it, two hosts may read the
 * claims at the same moment and both write one. The second check, for claims of others after
 * writing ours, makes that window smaller and does not close it. And a claim is advice: it stops
 * daemons, not a person with {@code dd}.
 *
 * <p>{@code .varve/claims/reserve} keeps some room back. It goes when a claim finds no room
 * otherwise, so that disks of a full repository can be attached and removed, and comes back when a
 * claim is given up. When that is not enough, some of the room goes that the repository keeps back.
 *
 * <p>A host has one claim on a disk. A host that claims a disk again replaces its claim, and only
 * the last one can be released.
 *
 * <p><b>Threads:</b> any.
 */
public final class FileClaims implements Claims {
    private static final String FORMAT = "varve-claim";
    private static final String EPOCH_FORMAT = "varve-epoch";
    private static final int RESERVE_BYTES = 64 * 1024;
    private static final long MORE_BYTES = 1 << 20;
    private static final int MOST_TRIES = 5;

    private final FileOps ops;
    private final Path directory;
    private final UUID host;
    private final Holder self;
    private final LongUnaryOperator moreRoom;
    private final ReentrantLock local = new ReentrantLock();

    /** The last epoch that this daemon has seen or taken; under the lock. */
    private long known = -1;

    /** The last epoch that another daemon took; under the lock. */
    private long others;

    private record Held(Claim claim, Holder holder) {}

    /**
     * @param root the directory of the repository
     * @param host the UUID of this host
     * @param moreRoom gives up so many bytes of other room that is kept back and tells how many
     */
    public FileClaims(Path root, UUID host, LongUnaryOperator moreRoom) {
        this(root, host, new LinuxFileOps(), Holder.self(), moreRoom);
    }

    FileClaims(Path root, UUID host, FileOps ops, Holder self) {
        this(root, host, ops, self, bytes -> 0);
    }

    FileClaims(Path root, UUID host, FileOps ops, Holder self, LongUnaryOperator moreRoom) {
        this.moreRoom = moreRoom;
        this.directory = new Names(root).claims;
        this.host = host;
        this.ops = ops;
        this.self = self;
    }

    @Override
    public Claim acquire(UUID vdi, Mode mode) {
        try (FileOps.Lock _ = lock()) {
            refuseConflict(vdi, mode, true);
            Claim claim = inReserve(() -> write(vdi, mode));
            try {
                refuseConflict(vdi, mode, false);
            } catch (RuntimeException e) {
                remove(claim);
                throw e;
            }
            return claim;
        }
    }

    /**
     * Threads of this process wait here for each other, and only one of them for other processes:
     * who waits for a lock of the system keeps its carrier from all other virtual threads, and so
     * from the one that has the lock.
     */
    private FileOps.Lock lock() {
        local.lock();
        try {
            FileOps.Lock held = ops.lock(directory.resolve("lock"));
            return () -> {
                try {
                    held.close();
                } finally {
                    local.unlock();
                }
            };
        } catch (RuntimeException | Error e) {
            local.unlock();
            throw e;
        }
    }

    private Claim write(UUID vdi, Mode mode) {
        Claim claim = new Claim(vdi, host, mode, nextEpoch());
        ops.replace(file(vdi, host), encode(claim));
        return claim;
    }

    /**
     * Does something that needs room, with room that was kept back if there is no other. Guests
     * that wait for room may be quicker to take what comes free, so it is tried several times.
     */
    private <T> T inReserve(Supplier<T> work) {
        for (int tries = 1; ; tries++) {
            try {
                T result = work.get();
                if (tries == 1) {
                    keepReserve();
                }
                return result;
            } catch (StorageException e) {
                if (e.code() != ErrorCode.SR_NO_SPACE || tries == MOST_TRIES || !makeRoom()) {
                    throw e;
                }
            }
        }
    }

    private boolean makeRoom() {
        if (ops.stat(reserve()).isEmpty()) {
            return moreRoom.applyAsLong(MORE_BYTES) > 0;
        }
        ops.delete(reserve());
        ops.syncDirectory(directory);
        return true;
    }

    private Path reserve() {
        return directory.resolve("reserve");
    }

    /** Keeps room back if there is some; a repository without any is used all the same. */
    private void keepReserve() {
        if (ops.stat(reserve()).isEmpty()) {
            try {
                ops.replace(reserve(), new byte[RESERVE_BYTES]);
            } catch (StorageException e) {
                // Then there is none; the claim that was asked for is not worse for it.
                return;
            }
        }
    }

    /**
     * Fails when somebody's claim excludes ours, and removes the claims of processes that are gone.
     */
    private void refuseConflict(UUID vdi, Mode mode, boolean ownToo) {
        for (Held held : held(vdi)) {
            boolean own = held.claim().host().equals(host);
            if (own && (!ownToo || !held.holder().livesBeside(self))) {
                continue;
            }
            if (held.holder().isGone(self)) {
                remove(held.claim());
            } else if (own || mode == Mode.WRITE || held.claim().mode() == Mode.WRITE) {
                throw inUse(held, mode);
            }
        }
    }

    private static RuntimeException inUse(Held held, Mode mode) {
        Claim claim = held.claim();
        return ErrorCode.SR_VDI_IN_USE.because(
                "disk %s cannot be claimed for %s: host %s (process %d) has it for %s"
                        .formatted(
                                claim.vdi(),
                                mode,
                                claim.host(),
                                held.holder().pid(),
                                claim.mode()));
    }

    private long nextEpoch() {
        long last = lastEpoch();
        ops.replace(
                epochFile(), Documents.encode(Documents.start(EPOCH_FORMAT).put("last", last + 1)));
        known = last + 1;
        return last + 1;
    }

    /** The last epoch; takes note of those that others took. */
    private long lastEpoch() {
        Path file = epochFile();
        long last = ops.read(file).map(content -> decodeEpoch(file, content)).orElse(0L);
        if (last != known) {
            others = last;
            known = last;
        }
        return last;
    }

    private Path epochFile() {
        return directory.resolve("epoch.json");
    }

    @Override
    public long othersEpoch() {
        try (FileOps.Lock _ = lock()) {
            lastEpoch();
            return others;
        }
    }

    @Override
    public boolean othersHave() {
        try (FileOps.Lock _ = lock()) {
            return anyOfOthers();
        }
    }

    @Override
    public boolean alone(LongConsumer work) {
        try (FileOps.Lock _ = lock()) {
            if (anyOfOthers()) {
                return false;
            }
            lastEpoch();
            work.accept(others);
            return true;
        }
    }

    private boolean anyOfOthers() {
        for (String name : ops.names(directory)) {
            String[] parts = name.split("\\.", -1);
            if (parts.length == 3 && name.endsWith(Names.JSON)) {
                Optional<UUID> vdi = Names.uuid(parts[0]);
                Optional<UUID> by = Names.uuid(parts[1]);
                if (vdi.isPresent() && by.isPresent() && isOfOther(vdi.get(), by.get())) {
                    return true;
                }
            }
        }
        return false;
    }

    private boolean isOfOther(UUID vdi, UUID by) {
        Optional<Held> held = read(vdi, by);
        return held.isPresent()
                && (by.equals(host)
                        ? held.get().holder().livesBeside(self)
                        : !held.get().holder().isGone(self));
    }

    private static long decodeEpoch(Path file, byte[] content) {
        return Documents.decode(content, EPOCH_FORMAT, false)
                .map(document -> document.path("last").asLong())
                .orElseThrow(
                        () ->
                                ErrorCode.SR_METADATA.because(
                                        file
                                                + " is damaged; when no host uses the repository,"
                                                + " remove the directory "
                                                + file.getParent()));
    }

    @Override
    public void release(Claim claim) {
        try (FileOps.Lock _ = lock()) {
            boolean present =
                    ops.read(file(claim.vdi(), claim.host()))
                            .flatMap(content -> decode(content, claim.vdi(), claim.host()))
                            .map(held -> held.claim().epoch() == claim.epoch())
                            .orElse(false);
            if (present) {
                remove(claim);
                keepReserve();
            }
        }
    }

    private void remove(Claim claim) {
        ops.delete(file(claim.vdi(), claim.host()));
        ops.syncDirectory(directory);
    }

    @Override
    public List<Claim> holders(UUID vdi) {
        return held(vdi).stream().map(Held::claim).toList();
    }

    private List<Held> held(UUID vdi) {
        List<Held> found = new ArrayList<>();
        String prefix = vdi + ".";
        for (String name : ops.names(directory)) {
            boolean ours = name.length() > prefix.length() + Names.JSON.length();
            if (ours && name.startsWith(prefix) && name.endsWith(Names.JSON)) {
                String text = name.substring(prefix.length(), name.length() - Names.JSON.length());
                Names.uuid(text).flatMap(by -> read(vdi, by)).ifPresent(found::add);
            }
        }
        return found;
    }

    /** A claim that cannot be read excludes everybody but the host of its name. */
    private Optional<Held> read(UUID vdi, UUID by) {
        return ops.read(file(vdi, by))
                .map(
                        content ->
                                decode(content, vdi, by)
                                        .orElseGet(
                                                () ->
                                                        new Held(
                                                                new Claim(vdi, by, Mode.WRITE, 0),
                                                                new Holder("", "", 0, 0))));
    }

    private Path file(UUID vdi, UUID by) {
        return directory.resolve(vdi + "." + by + Names.JSON);
    }

    private byte[] encode(Claim claim) {
        return Documents.encode(
                Documents.start(FORMAT)
                        .put("vdi", claim.vdi().toString())
                        .put("host", claim.host().toString())
                        .put("mode", claim.mode().name())
                        .put("epoch", claim.epoch())
                        .put("bootId", self.bootId())
                        .put("pidNamespace", self.pidNamespace())
                        .put("pid", self.pid())
                        .put("startTicks", self.startTicks()));
    }

    private static Optional<Held> decode(byte[] content, UUID vdi, UUID by) {
        return Documents.decode(content, FORMAT, false)
                .filter(document -> document.path("vdi").asText().equals(vdi.toString()))
                .filter(document -> document.path("host").asText().equals(by.toString()))
                .map(document -> held(document, vdi, by));
    }

    private static Held held(ObjectNode document, UUID vdi, UUID by) {
        Mode mode = document.path("mode").asText().equals("READ") ? Mode.READ : Mode.WRITE;
        return new Held(
                new Claim(vdi, by, mode, document.path("epoch").asLong()),
                new Holder(
                        document.path("bootId").asText(),
                        document.path("pidNamespace").asText(),
                        document.path("pid").asLong(),
                        document.path("startTicks").asLong()));
    }
}
