// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.sr.store.WholeText;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * What one commit has written to the {@link AttributeLog}.
 *
 * <table>
 * <caption>an entry; numbers are big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>{@code VARVEATT}</td></tr>
 * <tr><td>8</td><td>4</td><td>version, 1</td></tr>
 * <tr><td>12</td><td>4</td><td>flags; 1: it counts only if the group says so</td></tr>
 * <tr><td>16</td><td>8</td><td>number, one more than that of the entry before</td></tr>
 * <tr><td>24</td><td>4</td><td>length of the records in bytes</td></tr>
 * <tr><td>28</td><td>4</td><td>CRC-32C of bytes 0 to 27 and of the records</td></tr>
 * <tr><td>32</td><td></td><td>records</td></tr>
 * </table>
 *
 * <table>
 * <caption>a record; a text is its length in bytes (4) and UTF-8, a map the number of its entries (4)
 * and for each two texts</caption>
 * <tr><th>first byte</th><th>what follows</th></tr>
 * <tr><td>1</td><td>attributes: text, the identifier of the logical volume; map</td></tr>
 * <tr><td>2</td><td>the repository: UUID (16), text label, text description, map of its
 * configuration</td></tr>
 * <tr><td>3</td><td>the CRC-32C of the management volume (4)</td></tr>
 * </table>
 *
 * @param number its place among all entries that there ever were
 * @param withGroup whether it counts only if the group says so
 */
record AttributeEntry(long number, boolean withGroup, List<AttributeRecord> records) {
    /** How many bytes come before the records. */
    static final int HEADER_BYTES = 32;

    private static final byte[] MAGIC = "VARVEATT".getBytes(StandardCharsets.US_ASCII);
    private static final int VERSION = 1;
    private static final int WITH_GROUP = 1;
    private static final int LENGTH_OFFSET = 24;
    private static final int CHECKSUM_OFFSET = 28;
    private static final byte VOLUME = 1;
    private static final byte REPOSITORY = 2;
    private static final byte MANAGEMENT = 3;

    AttributeEntry {
        records = List.copyOf(records);
    }

    // ---- writing

    /** The bytes of the entry. */
    byte[] encode() {
        ByteArrayOutputStream records = new ByteArrayOutputStream();
        this.records.forEach(record -> put(records, record));
        byte[] body = records.toByteArray();
        ByteBuffer entry = ByteBuffer.allocate(HEADER_BYTES + body.length);
        entry.put(MAGIC).putInt(VERSION).putInt(withGroup ? WITH_GROUP : 0).putLong(number);
        entry.putInt(body.length);
        entry.put(HEADER_BYTES, body);
        entry.putInt(CHECKSUM_OFFSET, checksum(entry.array(), entry.capacity()));
        return entry.array();
    }

    private static int checksum(byte[] entry, int length) {
        CRC32C crc = new CRC32C();
        crc.update(entry, 0, CHECKSUM_OFFSET);
        crc.update(entry, HEADER_BYTES, length - HEADER_BYTES);
        return (int) crc.getValue();
    }

    private static void put(ByteArrayOutputStream out, AttributeRecord record) {
        switch (record) {
            case AttributeRecord.OfVolume volume -> {
                out.write(VOLUME);
                putText(out, volume.volume().text());
                putMap(out, volume.attributes());
            }
            case AttributeRecord.OfRepository repository -> {
                SrIdentity identity = repository.identity();
                out.write(REPOSITORY);
                putLong(out, identity.uuid().getMostSignificantBits());
                putLong(out, identity.uuid().getLeastSignificantBits());
                putText(out, identity.label());
                putText(out, identity.description());
                putMap(out, identity.smConfig());
            }
            case AttributeRecord.OfManagement management -> {
                out.write(MANAGEMENT);
                putInt(out, management.checksum());
            }
        }
    }

    private static void putInt(ByteArrayOutputStream out, int value) {
        out.writeBytes(ByteBuffer.allocate(Integer.BYTES).putInt(value).array());
    }

    private static void putLong(ByteArrayOutputStream out, long value) {
        out.writeBytes(ByteBuffer.allocate(Long.BYTES).putLong(value).array());
    }

    private static void putText(ByteArrayOutputStream out, String text) {
        byte[] bytes = WholeText.of(text).getBytes(StandardCharsets.UTF_8);
        putInt(out, bytes.length);
        out.writeBytes(bytes);
    }

    private static void putMap(ByteArrayOutputStream out, Map<String, String> map) {
        putInt(out, map.size());
        new TreeMap<>(map)
                .forEach(
                        (key, value) -> {
                            putText(out, key);
                            putText(out, value);
                        });
    }

    // ---- reading

    /**
     * How long the entry is that begins with these bytes, header and records; nothing when none
     * begins here.
     *
     * @param header at least {@link #HEADER_BYTES} bytes
     */
    static Optional<Long> length(byte[] header) {
        ByteBuffer buffer = ByteBuffer.wrap(header);
        byte[] magic = new byte[MAGIC.length];
        buffer.get(magic);
        int length = buffer.getInt(LENGTH_OFFSET);
        boolean begins = Arrays.equals(magic, MAGIC) && buffer.getInt() == VERSION && length >= 0;
        return begins ? Optional.of((long) HEADER_BYTES + length) : Optional.empty();
    }

    /** The entry, or nothing when it is not whole. */
    static Optional<AttributeEntry> decode(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        if (length(bytes).filter(length -> length == bytes.length).isEmpty()
                || buffer.getInt(CHECKSUM_OFFSET) != checksum(bytes, bytes.length)) {
            return Optional.empty();
        }
        int flags = buffer.getInt(MAGIC.length + Integer.BYTES);
        long number = buffer.getLong(MAGIC.length + 2 * Integer.BYTES);
        buffer.position(HEADER_BYTES);
        try {
            List<AttributeRecord> records = new ArrayList<>();
            while (buffer.hasRemaining()) {
                records.add(record(buffer));
            }
            return Optional.of(new AttributeEntry(number, (flags & WITH_GROUP) != 0, records));
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            // The checksum holds, but this is no entry that this version knows.
            return Optional.empty();
        }
    }

    private static AttributeRecord record(ByteBuffer buffer) {
        byte kind = buffer.get();
        return switch (kind) {
            case VOLUME -> new AttributeRecord.OfVolume(new LvmId(text(buffer)), map(buffer));
            case REPOSITORY ->
                    new AttributeRecord.OfRepository(
                            new SrIdentity(
                                    new UUID(buffer.getLong(), buffer.getLong()),
                                    text(buffer),
                                    text(buffer),
                                    map(buffer)));
            case MANAGEMENT -> new AttributeRecord.OfManagement(buffer.getInt());
            default -> throw new IllegalArgumentException("no record of kind " + kind);
        };
    }

    private static String text(ByteBuffer buffer) {
        int length = buffer.getInt();
        if (length < 0 || length > buffer.remaining()) {
            throw new BufferUnderflowException();
        }
        byte[] bytes = new byte[length];
        buffer.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static Map<String, String> map(ByteBuffer buffer) {
        int count = buffer.getInt();
        Map<String, String> map = new HashMap<>();
        for (int i = 0; i < count; i++) {
            map.put(text(buffer), text(buffer));
        }
        return map;
    }
}
