// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.host.Holder;
import dev.varve.sr.spi.Claims.Claim;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Waiting;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import java.util.zip.CRC32;

/**
 * A host of a {@link SharedWorld}: attaches, uses disks, asks and answers, as chance will have it.
 */
final class SharedHost implements Waiting {
    static final UUID SR = new UUID(5, 5);
    private static final int DISKS = 3;

    /**
     * How hosts are.
     *
     * @param reservations whether the device keeps hosts from writing
     * @param forces whether persons free the claims of hosts now and then
     * @param heedless whether hosts go on when they should stop, which must not go well
     * @param sight what a host has instead of the device
     */
    record Habits(
            boolean reservations,
            boolean forces,
            boolean heedless,
            BiFunction<BlockMedium, UUID, BlockMedium> sight) {}

    private record Held(Claim claim, SharedModel.Use use) {}

    private final SharedWorld world;
    private final SharedMedium.Device device;
    private final SharedModel model;
    private final int number;
    private final int hosts;
    private final int life;
    private final Habits habits;
    private final List<Held> held = new ArrayList<>();
    private SharedWorld.Fiber fiber;
    private SharedClaims claims;
    private Ownership ownership;
    private long nextBeat;
    private boolean beating;
    private boolean lives = true;

    SharedHost(
            SharedWorld world,
            SharedMedium.Device device,
            SharedModel model,
            int number,
            int hosts,
            int life,
            Habits habits) {
        this.world = world;
        this.device = device;
        this.model = model;
        this.number = number;
        this.hosts = hosts;
        this.life = life;
        this.habits = habits;
    }

    static UUID uuid(int number) {
        return new UUID(3, number);
    }

    void start() {
        fiber = world.start(who(), this::live);
    }

    private String who() {
        return number + "/" + life;
    }

    /** When it ends or crashes, the host starts again some time later. */
    private void live() {
        try {
            attach();
            while (world.random.nextInt(60) != 0) {
                act();
            }
            detach();
        } catch (StorageException e) {
            // The repository is lost to this daemon; another one begins.
            lives = false;
        } finally {
            lives = false;
            model.endAll(who());
            model.restarts++;
            new SharedHost(world, device, model, number, hosts, life + 1, habits).start();
        }
    }

    private void attach() {
        SharedMedium medium = new SharedMedium(world, device, fiber, number, habits.reservations());
        fiber.hasty = true;
        Holder holder = new Holder("boot " + number + "/" + life, "pid:[1]", 1, life);
        ClaimArea area = ClaimArea.open(habits.sight().apply(medium, uuid(number)), 0);
        claims =
                SharedClaims.attach(
                        area,
                        uuid(number),
                        holder,
                        world.settings,
                        world,
                        RandomSource.of(new Random(world.random.nextLong())),
                        this);
        fiber.hasty = false;
        nextBeat = world.nanoTime() + world.settings.beatNanos();
        ownership = new Ownership(claims);
        ownership.serve(this::serve);
    }

    private void detach() {
        List.copyOf(held).forEach(this::release);
        claims.close();
    }

    private boolean isValid() {
        return lives && !fiber.isCrashed() && (habits.heedless() || !claims.isFenced());
    }

    // ---- what it does

    private void act() {
        fiber.step(world.random.nextInt(20_000_000));
        beatIfDue();
        switch (world.random.nextInt(10)) {
            case 0, 1, 2 -> acquire(new UUID(9, world.random.nextInt(DISKS)));
            case 3 -> acquire(SR);
            case 4, 5 -> releaseOne();
            case 6 -> alone();
            case 7 -> ask();
            case 8 -> ownOrForce();
            default -> answer();
        }
    }

    private void beatIfDue() {
        if (claims != null && !beating && world.nanoTime() - nextBeat >= 0) {
            beating = true;
            try {
                nextBeat = world.nanoTime() + world.settings.beatNanos();
                claims.beat();
            } catch (StorageException e) {
                if (claims.isLost()) {
                    throw e;
                }
            } finally {
                beating = false;
            }
        }
    }

    /** Refusals are part of life; other failures end a daemon when it has lost its place. */
    private void trying(Runnable work) {
        try {
            work.run();
        } catch (StorageException e) {
            if (claims.isLost()) {
                throw e;
            }
            model.refused++;
        }
    }

    private void acquire(UUID vdi) {
        Mode mode = vdi.equals(SR) || world.random.nextInt(3) != 0 ? Mode.WRITE : Mode.READ;
        trying(
                () -> {
                    Claim claim = claims.acquire(vdi, mode);
                    held.stream()
                            .filter(each -> each.claim().vdi().equals(vdi))
                            .forEach(each -> model.end(each.use()));
                    held.removeIf(each -> each.claim().vdi().equals(vdi));
                    held.add(new Held(claim, model.begin(vdi, mode, who(), this::isValid)));
                    if (isValid()) {
                        model.claimed(claim);
                    }
                });
    }

    private void releaseOne() {
        if (!held.isEmpty()) {
            release(held.get(world.random.nextInt(held.size())));
        }
    }

    private void release(Held one) {
        held.remove(one);
        model.end(one.use());
        trying(() -> claims.release(one.claim()));
    }

    private void alone() {
        trying(
                () ->
                        claims.alone(
                                _ -> {
                                    SharedModel.Use use =
                                            model.begin(
                                                    SharedModel.ALL,
                                                    Mode.WRITE,
                                                    who(),
                                                    this::isValid);
                                    model.aloneTimes++;
                                    work();
                                    model.end(use);
                                }));
    }

    private void ownOrForce() {
        if (habits.forces() && world.random.nextInt(2) == 0) {
            int other = world.random.nextInt(hosts);
            if (other != number) {
                trying(
                        () -> {
                            claims.force(uuid(other));
                            model.forced++;
                        });
            }
        } else {
            trying(() -> ownership.asOwner(this::changeMetadata));
        }
    }

    private void changeMetadata() {
        SharedModel.Use use = model.begin(SharedModel.METADATA, Mode.WRITE, who(), this::isValid);
        work();
        model.end(use);
    }

    private void work() {
        for (int i = world.random.nextInt(4); i >= 0; i--) {
            fiber.step(world.random.nextInt(3_000_000));
        }
    }

    // ---- asking and answering

    private void ask() {
        long id = world.random.nextLong();
        byte[] request = new byte[8 + world.random.nextInt(3000)];
        ByteBuffer.wrap(request).putLong(id);
        trying(
                () -> {
                    try {
                        byte[] answer = ownership.ask(request);
                        assertArrayEquals(answerTo(request), answer);
                        model.answered(id);
                    } catch (StorageException e) {
                        model.unanswered++;
                        throw e;
                    }
                });
    }

    private void answer() {
        trying(ownership::answer);
    }

    private byte[] serve(byte[] request) {
        if (!isValid()) {
            throw new AssertionError(who() + " carries out a request though it is fenced");
        }
        model.carryOut(ByteBuffer.wrap(request).getLong());
        changeMetadata();
        if (world.random.nextInt(10) == 0) {
            throw ErrorCode.LVM_RESIZE.because("there is no room");
        }
        return answerTo(request);
    }

    private static byte[] answerTo(byte[] request) {
        CRC32 crc = new CRC32();
        crc.update(request);
        byte[] answer = new byte[(int) (crc.getValue() % 9000)];
        Arrays.fill(answer, (byte) crc.getValue());
        return answer;
    }

    // ---- waiting

    /** Meanwhile the host says that it lives, and answers others, as other threads of it would. */
    @Override
    public <T> T await(CompletableFuture<T> done, long nanos) throws TimeoutException {
        long end = world.nanoTime() + nanos;
        do {
            fiber.step(Math.min(nanos, world.settings.quickNanos()));
            if (claims != null) {
                beatIfDue();
            }
        } while (world.nanoTime() - end < 0);
        throw new TimeoutException();
    }

    @Override
    public <T> T join(CompletableFuture<T> done) {
        throw new UnsupportedOperationException("nothing is waited for without an end");
    }

    @Override
    public void start(String name, Runnable work) {
        throw new UnsupportedOperationException("no threads are needed");
    }
}
