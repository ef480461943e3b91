// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.VolumeId;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * The logical volumes that are open here: each has one device, for any number of readers and one
 * writer. They are known by their identifiers, so they follow a rename by themselves.
 *
 * <p><b>Threads:</b> any.
 */
final class OpenVolumes {
    /** A volume that is open. */
    static final class Opened {
        private final LvmId volume;
        private final LvmVolumeDevice device;
        private VolumeId name;
        private int readers;
        private boolean writing;

        private Opened(LvmId volume, VolumeId name, LvmVolumeDevice device) {
            this.volume = volume;
            this.name = name;
            this.device = device;
        }

        LvmId volume() {
            return volume;
        }

        LvmVolumeDevice device() {
            return device;
        }
    }

    private final Map<LvmId, Opened> opened = new HashMap<>();

    /** Opens a volume once more. */
    synchronized Opened open(
            LvmId volume,
            VolumeId name,
            boolean writable,
            Function<LvmId, LvmVolumeDevice> device) {
        Opened known = opened.get(volume);
        Opened open = known == null ? new Opened(volume, name, device.apply(volume)) : known;
        if (writable && open.writing) {
            throw ErrorCode.SR_VDI_IN_USE.because(name + " is open for writing already");
        }
        if (writable) {
            open.writing = true;
        } else {
            open.readers++;
        }
        opened.put(volume, open);
        return open;
    }

    /** One user of a volume is done with it. */
    synchronized void close(Opened open, boolean writable) {
        if (writable) {
            open.writing = false;
        } else {
            open.readers--;
        }
        if (open.readers == 0 && !open.writing) {
            opened.remove(open.volume);
        }
    }

    synchronized boolean isOpen(LvmId volume) {
        return opened.containsKey(volume);
    }

    synchronized boolean isInUse() {
        return !opened.isEmpty();
    }

    /** What an open volume is called; the last name when it is not there any more. */
    synchronized VolumeId name(Opened open) {
        return open.name;
    }

    /** Takes note of names and sizes. */
    synchronized void refresh(GroupState state, Function<LvmId, ExtentMap> maps) {
        for (Opened open : opened.values()) {
            state.id(open.volume)
                    .ifPresent(
                            id -> {
                                open.name = id;
                                open.device.refresh(maps.apply(open.volume));
                            });
        }
    }

    /** Throws {@link IllegalStateException} when a volume is open. */
    synchronized void requireNoneOpen() {
        if (!opened.isEmpty()) {
            TreeSet<String> names = new TreeSet<>();
            opened.values().forEach(open -> names.add(open.name.toString()));
            throw new IllegalStateException("volumes are still open: " + names);
        }
    }
}
