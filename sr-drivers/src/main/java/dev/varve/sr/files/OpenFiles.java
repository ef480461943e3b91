// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.store.VolumeId;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Executor;

/**
 * The volumes of one store that are open. A volume has at most one device for writing, and one for
 * reading that all readers share.
 *
 * <p><b>Threads:</b> any; one lock for all of it, which is never held while a file grows.
 */
final class OpenFiles {
    /** The open devices of one volume. */
    private static final class Opened {
        VolumeId id;
        FileStoreVolume.Source reading;
        int readers;
        FileStoreVolume.Source writing;

        boolean isUnused() {
            return reading == null && writing == null;
        }
    }

    private final FileStoreSettings settings;
    private final Executor blocking;
    private final Map<VolumeId, Opened> opened = new HashMap<>();

    private volatile Runnable grew = () -> {};
    private volatile Runnable shrank = () -> {};

    OpenFiles(FileStoreSettings settings, Executor blocking) {
        this.settings = settings;
        this.blocking = blocking;
    }

    /** Sets what runs after a volume has become larger, and after one has become smaller. */
    void onChange(Runnable larger, Runnable smaller) {
        grew = larger;
        shrank = smaller;
    }

    synchronized boolean isOpen(VolumeId id) {
        return opened.containsKey(id);
    }

    synchronized FileStoreVolume open(VolumeId id, Path file, boolean writable) {
        Opened volume = opened.get(id);
        if (volume == null) {
            volume = new Opened();
            volume.id = id;
        }
        FileStoreVolume handle = writable ? openWriting(volume, file) : openReading(volume, file);
        opened.put(id, volume);
        return handle;
    }

    private FileStoreVolume openWriting(Opened volume, Path file) {
        if (volume.writing != null) {
            throw ErrorCode.SR_VDI_IN_USE.because(volume.id + " is open for writing already");
        }
        volume.writing = source(file, true);
        return handle(volume, volume.writing);
    }

    private FileStoreVolume openReading(Opened volume, Path file) {
        if (volume.reading == null) {
            volume.reading = source(file, false);
        }
        volume.readers++;
        return handle(volume, volume.reading);
    }

    private FileStoreVolume.Source source(Path file, boolean writable) {
        IoFile io = IoFile.open(file, writable, settings.direct());
        return new FileStoreVolume.Source(io, new RawFileDevice(io, writable), writable);
    }

    private FileStoreVolume handle(Opened volume, FileStoreVolume.Source source) {
        return new FileStoreVolume(
                () -> idOf(volume),
                source,
                settings,
                blocking,
                larger -> {
                    sizeChanged(volume);
                    (larger ? grew : shrank).run();
                },
                () -> closed(volume, source));
    }

    private synchronized VolumeId idOf(Opened volume) {
        return volume.id;
    }

    private synchronized void sizeChanged(Opened volume) {
        if (volume.reading != null) {
            volume.reading.device().refreshSize();
        }
        if (volume.writing != null) {
            volume.writing.device().refreshSize();
        }
    }

    private synchronized void closed(Opened volume, FileStoreVolume.Source source) {
        if (source == volume.writing) {
            volume.writing = null;
            source.device().close();
        } else if (--volume.readers == 0) {
            volume.reading = null;
            source.device().close();
        }
        if (volume.isUnused()) {
            opened.remove(volume.id);
        }
    }

    /** Open volumes follow their files to new names. */
    synchronized void renamed(Map<VolumeId, VolumeId> names) {
        Map<VolumeId, Opened> moved = new HashMap<>();
        names.forEach(
                (from, to) -> {
                    Opened volume = opened.remove(from);
                    if (volume != null) {
                        volume.id = to;
                        moved.put(to, volume);
                    }
                });
        opened.putAll(moved);
    }

    synchronized boolean isInUse() {
        return !opened.isEmpty();
    }

    /** Throws {@link IllegalStateException} when a volume is open. */
    synchronized void requireNoneOpen() {
        if (!opened.isEmpty()) {
            TreeSet<String> ids = new TreeSet<>();
            opened.keySet().forEach(id -> ids.add(id.toString()));
            throw new IllegalStateException("volumes are still open: " + ids);
        }
    }
}
