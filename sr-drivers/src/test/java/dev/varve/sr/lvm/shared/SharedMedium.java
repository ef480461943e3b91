// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The device of a {@link SharedWorld} as one host sees it. A sector is written whole; what is
 * longer goes in pieces, between which others come, or a crash. A write may fail, carried out or
 * not.
 */
final class SharedMedium implements BlockMedium {
    private static final int SECTOR = 512;

    /** What all hosts have in common. */
    static final class Device {
        final byte[] bytes;
        final Map<Integer, Long> keys = new HashMap<>();
        Optional<Reservations.Held> held = Optional.empty();

        Device(long size) {
            bytes = new byte[(int) size];
        }
    }

    private final SharedWorld world;
    private final Device device;
    private final SharedWorld.Fiber fiber;
    private final Optional<Reservations> reservations;
    private final int nexus;

    /**
     * @param nexus which host this is, for reservations
     */
    SharedMedium(
            SharedWorld world,
            Device device,
            SharedWorld.Fiber fiber,
            int nexus,
            boolean withReservations) {
        this.world = world;
        this.device = device;
        this.fiber = fiber;
        this.nexus = nexus;
        this.reservations = withReservations ? Optional.of(new Keys()) : Optional.empty();
    }

    /** The device as nobody in particular sees it: before the hosts come. */
    SharedMedium(SharedWorld world, Device device) {
        this(world, device, null, -1, false);
    }

    private void step() {
        if (fiber != null) {
            fiber.step(0);
        }
    }

    @Override
    public String name() {
        return "the device";
    }

    @Override
    public long sizeBytes() {
        return device.bytes.length;
    }

    @Override
    public int blockBytes() {
        return SECTOR;
    }

    @Override
    public boolean isWritable() {
        return true;
    }

    @Override
    public byte[] read(long offset, int length) {
        byte[] result = new byte[length];
        for (int done = 0; done < length; ) {
            int piece = piece(offset + done, length - done);
            step();
            System.arraycopy(device.bytes, (int) offset + done, result, done, piece);
            done += piece;
        }
        return result;
    }

    @Override
    public void write(long offset, byte[] data) {
        for (int done = 0; done < data.length; ) {
            int piece = piece(offset + done, data.length - done);
            boolean fails = fiber != null && world.random.nextInt(2000) == 0;
            step();
            requireKey();
            if (!fails || world.random.nextBoolean()) {
                System.arraycopy(data, done, device.bytes, (int) offset + done, piece);
            }
            if (fails) {
                throw ErrorCode.SR_IO_ERROR.because("a write failed");
            }
            done += piece;
        }
    }

    /** Never a part of a sector, unless less is left. */
    private int piece(long offset, int length) {
        int first = (int) (SECTOR - offset % SECTOR);
        int sectors = Math.max(0, length - first) / SECTOR;
        int more = sectors == 0 ? 0 : world.random.nextInt(sectors + 1);
        boolean all = length <= first || world.random.nextInt(3) == 0;
        return all ? length : Math.min(length, first + more * SECTOR);
    }

    private void requireKey() {
        if (device.held.isPresent() && !device.keys.containsKey(nexus)) {
            throw ErrorCode.SR_IO_ERROR.because("reservation conflict");
        }
    }

    @Override
    public void flush() {
        step();
    }

    @Override
    public void zero(long offset, long length) {
        Arrays.fill(device.bytes, (int) offset, (int) (offset + length), (byte) 0);
    }

    @Override
    public void discard(long offset, long length) {}

    @Override
    public boolean canDiscard() {
        return false;
    }

    @Override
    public BlockDevice device() {
        throw new UnsupportedOperationException("no disk is opened here");
    }

    @Override
    public Optional<Reservations> reservations() {
        return reservations;
    }

    @Override
    public void check() {}

    @Override
    public void close() {}

    private final class Keys implements Reservations {
        @Override
        public List<Long> keys() {
            return new ArrayList<>(device.keys.values());
        }

        @Override
        public Optional<Held> held() {
            step();
            return device.held;
        }

        @Override
        public void register(long key) {
            step();
            device.keys.put(nexus, key);
        }

        @Override
        public void unregister() {
            step();
            device.keys.remove(nexus);
            if (device.keys.isEmpty()) {
                device.held = Optional.empty();
            }
        }

        @Override
        public void reserve(int type) {
            step();
            requireOwnKey();
            device.held = Optional.of(new Held(device.keys.get(nexus), type));
        }

        @Override
        public void preemptAndAbort(long key) {
            step();
            requireOwnKey();
            device.keys.values().removeIf(each -> each == key);
        }

        private void requireOwnKey() {
            if (!device.keys.containsKey(nexus)) {
                throw ErrorCode.SR_IO_ERROR.because("reservation conflict");
            }
        }
    }
}
