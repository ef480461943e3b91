// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * The management volume of the reference stack, kept up to date so that a repository can be handed
 * back. It is never needed here when our own attributes are there, and a crash may leave it behind
 * them, with a disk that is half written: {@link #mend} finds that.
 *
 * <p><b>Threads:</b> one at a time.
 *
 * <p><b>Durability:</b> with the next flush of the medium.
 */
final class ManagementVolume {
    /** Where a disk is described, and as what. */
    private record Slot(int index, Map<String, String> fields) {}

    private VolumeBytes bytes;
    private final Map<UUID, Slot> disks = new HashMap<>();
    private final TreeSet<Integer> free = new TreeSet<>();
    private final TreeSet<Integer> unreadable = new TreeSet<>();
    private Map<String, String> repository = Map.of();
    private int slots;
    private int checksum;

    private ManagementVolume(VolumeBytes bytes) {
        this.bytes = bytes;
    }

    /** Reads it; one that was never written has no disks. */
    static ManagementVolume read(VolumeBytes bytes) {
        ManagementVolume volume = new ManagementVolume(bytes);
        long length =
                ManagementFormat.length(bytes.read(0, ManagementFormat.SECTOR_BYTES)).orElse(0L);
        if (length >= ManagementFormat.HEAD_BYTES && length <= bytes.sizeBytes()) {
            volume.load(bytes.read(0, (int) length));
        }
        return volume;
    }

    private void load(byte[] content) {
        checksum = checksum(content);
        repository =
                ManagementFormat.repositoryFields(
                        Arrays.copyOfRange(
                                content,
                                ManagementFormat.SECTOR_BYTES,
                                ManagementFormat.HEAD_BYTES));
        List<byte[]> found =
                ManagementFormat.slots(
                        Arrays.copyOfRange(content, ManagementFormat.HEAD_BYTES, content.length));
        slots = found.size();
        for (int i = 0; i < slots; i++) {
            load(i, ManagementFormat.fields(found.get(i)));
        }
    }

    private static int checksum(byte[] content) {
        CRC32C crc = new CRC32C();
        crc.update(content);
        return (int) crc.getValue();
    }

    private void load(int index, Optional<Map<String, String>> fields) {
        Optional<UUID> uuid =
                fields.map(f -> f.getOrDefault(ManagementFormat.UUID_FIELD, ""))
                        .flatMap(ManagementFields::uuid);
        if (uuid.isEmpty()) {
            unreadable.add(index);
        } else if (fields.get().getOrDefault(ManagementFormat.DELETED, "0").equals("1")
                || disks.containsKey(uuid.get())) {
            free.add(index);
        } else {
            disks.put(uuid.get(), new Slot(index, fields.get()));
        }
    }

    /** The fields of the repository; none when it was never written. */
    Map<String, String> repository() {
        return repository;
    }

    /** The fields of a disk. */
    Optional<Map<String, String>> disk(UUID uuid) {
        return Optional.ofNullable(disks.get(uuid)).map(Slot::fields);
    }

    /** The disks that it describes. */
    Set<UUID> disks() {
        return Set.copyOf(disks.keySet());
    }

    /** The checksum of what was read. */
    int checksumRead() {
        return checksum;
    }

    /** The checksum of what is on the medium now. */
    int checksumNow() {
        return checksum(bytes.read(0, (int) length()));
    }

    private long length() {
        return ManagementFormat.HEAD_BYTES + (long) slots * ManagementFormat.SLOT_BYTES;
    }

    /** How large the volume has to be to have room for more disks, in bytes. */
    long bytesFor(int more) {
        long missing = Math.max(0, more - free.size() - unreadable.size());
        return length() + missing * ManagementFormat.SLOT_BYTES;
    }

    /** Takes note that the volume has grown. */
    void grown(VolumeBytes now) {
        bytes = now;
    }

    /** How large the volume is, in bytes. */
    long sizeBytes() {
        return bytes.sizeBytes();
    }

    // ---- writing

    /** Writes the fields of the repository, and the length if there was none. */
    void putRepository(Map<String, String> fields) {
        if (!repository.equals(fields)) {
            repository = Map.copyOf(fields);
            bytes.write(ManagementFormat.SECTOR_BYTES, ManagementFormat.repository(fields));
            writeLength();
        }
    }

    /** Writes the fields of a disk, if they have changed. */
    void put(UUID uuid, Map<String, String> fields) {
        Map<String, String> written = ManagementFormat.asWritten(fields);
        Slot before = disks.get(uuid);
        if (before != null && before.fields().equals(written)) {
            return;
        }
        boolean last = before == null && free.isEmpty() && unreadable.isEmpty();
        int index = before != null ? before.index() : last ? slots : takeFree();
        write(index, fields);
        disks.put(uuid, new Slot(index, written));
        if (last) {
            slots++;
            writeLength();
        }
    }

    private int takeFree() {
        return unreadable.isEmpty() ? free.pollFirst() : unreadable.pollFirst();
    }

    /** Takes a disk out of it. */
    void remove(UUID uuid) {
        Slot slot = disks.remove(uuid);
        if (slot == null) {
            return;
        }
        writeDeleted(slot.index(), slot.fields());
        free.add(slot.index());
        int before = slots;
        while (slots > 0 && free.remove(slots - 1)) {
            slots--;
        }
        if (slots < before) {
            writeLength();
        }
    }

    private void writeDeleted(int index, Map<String, String> fields) {
        Map<String, String> deleted = new LinkedHashMap<>(fields);
        deleted.put(ManagementFormat.DELETED, "1");
        write(index, deleted);
    }

    private void write(int index, Map<String, String> fields) {
        bytes.write(
                ManagementFormat.HEAD_BYTES + (long) index * ManagementFormat.SLOT_BYTES,
                ManagementFormat.slot(fields));
    }

    private void writeLength() {
        bytes.write(0, ManagementFormat.header(length()));
    }

    /**
     * Takes out what describes disks that are not there, and makes places that cannot be read free:
     * the reference stack reads all of it or nothing.
     */
    void mend(Collection<UUID> present) {
        Set<UUID> gone = new TreeSet<>(disks.keySet());
        gone.removeAll(present);
        gone.forEach(this::remove);
        for (Integer index = unreadable.pollFirst();
                index != null;
                index = unreadable.pollFirst()) {
            writeDeleted(index, Map.of(ManagementFormat.UUID_FIELD, new UUID(0, 0).toString()));
            free.add(index);
        }
    }
}
