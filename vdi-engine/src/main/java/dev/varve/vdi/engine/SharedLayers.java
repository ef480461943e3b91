// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/**
 * The images that disks rest on, each open once on a lane however many disks of the lane rest on
 * it. They are only read.
 *
 * <p>An image that was not closed, or that the store marks as an inner node and that does not say
 * so itself, is put in order first: a crash came between the commit that made it one and its end.
 *
 * <p><b>Threads:</b> any. Calls that concern the same source wait for each other, and for its
 * storage; calls on other sources do not.
 */
final class SharedLayers {
    private record Key(Lane lane, ParentSource source, VolumeId id) {}

    private static final class Shared {
        final Key key;
        final OpenLayer layer;
        int users;

        Shared(Key key, OpenLayer layer) {
            this.key = key;
            this.layer = layer;
        }
    }

    private final Map<Key, Shared> shared = new HashMap<>();
    private final Map<OpenLayer, Shared> open = new HashMap<>();

    /** Opens an image or finds it open. */
    OpenLayer acquire(Lane lane, ParentSource source, VolumeId id, Operation operation) {
        Key key = new Key(lane, source, id);
        synchronized (source) {
            synchronized (shared) {
                Shared known = shared.get(key);
                if (known != null) {
                    known.users++;
                    return known.layer;
                }
            }
            Shared opened = new Shared(key, open(lane, source, id, operation));
            opened.users = 1;
            synchronized (shared) {
                shared.put(key, opened);
                open.put(opened.layer, opened);
            }
            return opened.layer;
        }
    }

    private static OpenLayer open(
            Lane lane, ParentSource source, VolumeId id, Operation operation) {
        OpenLayer found = openAsItIs(lane, source, id, operation);
        if (isInOrder(found.layer().info(), source, id)) {
            return found;
        }
        found.close();
        try {
            repair(lane, source, id, operation);
        } catch (StorageException e) {
            // What cannot be written can be read all the same, up to what was flushed last; and who
            // has it open for writing, to merge it with another one, keeps it in order himself.
            if (e.code() != ErrorCode.SR_NOT_WRITABLE && e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
        }
        return openAsItIs(lane, source, id, operation);
    }

    /** Plain content has no place for the mark of an inner node. */
    private static boolean isInOrder(ImageInfo info, ParentSource source, VolumeId id) {
        return info.clean() && (info.hidden() || info.blockBytes() == 0 || !source.isHidden(id));
    }

    private static OpenLayer openAsItIs(
            Lane lane, ParentSource source, VolumeId id, Operation operation) {
        OpenVolume volume = new OpenVolume(lane, source.open(id, false), false);
        try {
            return new OpenLayer(volume, volume.openImage(source.format(id), false, operation));
        } catch (RuntimeException | Error e) {
            volume.close();
            throw e;
        }
    }

    private static void repair(Lane lane, ParentSource source, VolumeId id, Operation operation) {
        ImageFormat format = source.format(id);
        StoreVolume writable = source.open(id, true);
        try (OpenVolume volume = new OpenVolume(lane, writable, true)) {
            ImageLayer layer = volume.openImage(format, true, operation);
            layer.seal(volume.access(operation), layer.info().hidden() || source.isHidden(id));
        }
    }

    /** Whether a layer is a view of an image, by the name that this had when it was opened. */
    boolean isViewOf(OpenLayer layer, ParentSource source, VolumeId id) {
        synchronized (shared) {
            Shared known = open.get(layer);
            return known != null && known.key.source() == source && known.key.id().equals(id);
        }
    }

    /**
     * Gives nobody the open views of images any more, which are not what these names stand for now.
     * Those who have them keep them.
     */
    void forget(ParentSource source, Collection<VolumeId> ids) {
        synchronized (source) {
            synchronized (shared) {
                shared.keySet().removeIf(key -> key.source() == source && ids.contains(key.id()));
            }
        }
    }

    /** Gives an image up; the last one closes it. */
    void release(OpenLayer layer) {
        boolean last;
        synchronized (shared) {
            Shared known = open.get(layer);
            Invariant.check(known != null, "a layer that is released was acquired");
            last = --known.users == 0;
            if (last) {
                shared.remove(known.key, known);
                open.remove(layer);
            }
        }
        if (last) {
            layer.close();
        }
    }
}
