// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.lvm.meta.VolumeGroup;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * The part that the {@link AttributeLog} has in a change of the group: nothing, an entry behind the
 * others, or a new log in place of one that is full, damaged or not there.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class LogWrite {
    /** A new log has so many times the room that its first entry takes. */
    private static final int SPARE = 3;

    private final AttributeLog log;
    private final AttributeEntry entry;
    private final byte[] encoded;

    private LogWrite(AttributeLog log, AttributeEntry entry, byte[] encoded) {
        this.log = log;
        this.entry = entry;
        this.encoded = encoded;
    }

    /**
     * Works out what is to be written, and adds to the change of the group what belongs to it.
     *
     * @param present the log there is, or null
     * @param attributes all attributes before the change
     * @param leastBytes how large a new log is at least
     */
    static LogWrite prepare(
            AttributeLog present,
            GroupChange change,
            VolumeGroup group,
            Function<LogicalVolume, VolumeBytes> bytes,
            Map<LvmId, Map<String, String>> attributes,
            long leastBytes) {
        if (change.records.isEmpty()) {
            return new LogWrite(present, null, null);
        }
        long number = present == null ? 1 : Math.max(present.last(), present.named()) + 1;
        AttributeEntry entry = new AttributeEntry(number, true, change.records);
        byte[] encoded = entry.encode();
        boolean usable =
                present != null
                        && !present.isDamaged()
                        && present.hasRoom(encoded.length)
                        && change.edit.volume(VolumeNames.ATTRIBUTES).isPresent();
        if (usable) {
            setTag(change.edit, number);
            return new LogWrite(present, entry, encoded);
        }
        return replacing(present, number, change, group, bytes, attributes, leastBytes);
    }

    private static void setTag(GroupEdit edit, long number) {
        String name = VolumeNames.ATTRIBUTES;
        for (String tag : edit.volume(name).orElseThrow().tags()) {
            if (AttributeLog.isTag(tag)) {
                edit.removeTag(name, tag);
            }
        }
        edit.addTag(name, AttributeLog.tag(number));
    }

    private static LogWrite replacing(
            AttributeLog present,
            long number,
            GroupChange change,
            VolumeGroup group,
            Function<LogicalVolume, VolumeBytes> bytes,
            Map<LvmId, Map<String, String>> attributes,
            long leastBytes) {
        AttributeEntry entry =
                new AttributeEntry(number, true, everything(present, change, attributes));
        byte[] encoded = entry.encode();
        GroupEdit edit = change.edit;
        if (edit.volume(VolumeNames.ATTRIBUTES).isPresent()) {
            boolean keep =
                    present != null
                            && present.isDamaged()
                            && edit.volume(VolumeNames.DAMAGED).isEmpty();
            if (keep) {
                edit.rename(VolumeNames.ATTRIBUTES, VolumeNames.DAMAGED);
            } else {
                edit.remove(VolumeNames.ATTRIBUTES);
            }
        }
        long size = Math.max(leastBytes, SPARE * (long) encoded.length);
        LogicalVolume volume =
                edit.create(
                        VolumeNames.ATTRIBUTES,
                        CommitTranslation.extents(size, group.extentBytes()),
                        List.of(AttributeLog.tag(number)));
        return new LogWrite(new AttributeLog(volume, bytes.apply(volume)), entry, encoded);
    }

    /** What still means something, the new last. */
    private static List<AttributeRecord> everything(
            AttributeLog present, GroupChange change, Map<LvmId, Map<String, String>> attributes) {
        Set<LvmId> said = new HashSet<>();
        List<AttributeRecord> fresh = new ArrayList<>();
        boolean repository = false;
        for (AttributeRecord record : change.records.reversed()) {
            if (record instanceof AttributeRecord.OfVolume of && !said.add(of.volume())) {
                continue;
            }
            repository |= record instanceof AttributeRecord.OfRepository;
            fresh.addFirst(record);
        }
        List<AttributeRecord> all = new ArrayList<>();
        if (present != null && !repository) {
            present.identity().map(AttributeRecord.OfRepository::new).ifPresent(all::add);
        }
        change.edit
                .volumes()
                .forEach(
                        volume -> {
                            Map<String, String> known = attributes.get(volume.id());
                            if (known != null && !said.contains(volume.id())) {
                                all.add(new AttributeRecord.OfVolume(volume.id(), known));
                            }
                        });
        all.addAll(fresh);
        return all;
    }

    /** Writes the entry, which does not count yet. */
    void write() {
        if (entry != null) {
            log.write(encoded);
        }
    }

    /** The log, after the group has changed. */
    AttributeLog done() {
        if (entry != null) {
            log.wrote(entry, encoded.length);
        }
        return log;
    }
}
