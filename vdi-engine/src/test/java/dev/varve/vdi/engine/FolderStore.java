// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

/** Volumes as the files of a directory; commits are not atomic, which no test here needs. */
public final class FolderStore implements VolumeStore {
    private final Path directory;
    private final Map<VolumeId, Map<String, String>> attributes = new HashMap<>();
    private final Set<VolumeId> hidden = new HashSet<>();
    private final List<FileVolume> open = new CopyOnWriteArrayList<>();

    public FolderStore(Path directory) {
        this.directory = directory;
    }

    /** The file of a volume, named as other readers of images expect it. */
    public Path path(VolumeId id) {
        return directory.resolve(nameOf(id));
    }

    @Override
    public Set<StoreFeature> features() {
        return Set.of(StoreFeature.SPARSE, StoreFeature.ZEROED);
    }

    @Override
    public StoreSpace space() {
        return new StoreSpace(1L << 40, 0);
    }

    @Override
    public synchronized List<VolumeInfo> list() {
        try (var files = Files.list(directory)) {
            List<VolumeInfo> found = new ArrayList<>();
            for (Path file : files.sorted().toList()) {
                named(file.getFileName().toString()).ifPresent(id -> found.add(info(id)));
            }
            return found;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String nameOf(VolumeId id) {
        return id.uuid() + "." + id.kind().name().toLowerCase(Locale.ROOT);
    }

    @Override
    public Optional<VolumeId> named(String name) {
        int dot = name.lastIndexOf('.');
        try {
            UUID uuid = UUID.fromString(name.substring(0, Math.max(0, dot)));
            String kind = name.substring(dot + 1).toUpperCase(Locale.ROOT);
            VolumeId id = new VolumeId(VolumeKind.valueOf(kind), uuid);
            return nameOf(id).equals(name) ? Optional.of(id) : Optional.empty();
        } catch (IllegalArgumentException e) {
            return Optional.empty(); // somebody else's file
        }
    }

    private VolumeInfo info(VolumeId id) {
        try {
            long size = Files.size(path(id));
            return new VolumeInfo(
                    id,
                    size,
                    size,
                    false,
                    hidden.contains(id),
                    attributes.getOrDefault(id, Map.of()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public synchronized Optional<VolumeInfo> find(VolumeId id) {
        return Files.exists(path(id)) ? Optional.of(info(id)) : Optional.empty();
    }

    @Override
    public synchronized StoreVolume open(VolumeId id, boolean writable) {
        if (writable && views(id).anyMatch(FileVolume::isWritable)) {
            throw ErrorCode.SR_VDI_IN_USE.because(id + " is open for writing already");
        }
        FileVolume[] opened = new FileVolume[1];
        opened[0] =
                new FileVolume(id, path(id), writable, () -> sizeChanged(opened[0]), this::closed);
        open.add(opened[0]);
        return opened[0];
    }

    private Stream<FileVolume> views(VolumeId id) {
        return open.stream().filter(volume -> volume.id().equals(id));
    }

    private synchronized void sizeChanged(FileVolume volume) {
        views(volume.id()).forEach(FileVolume::refreshSize);
    }

    /** The process that had volumes open was killed. */
    public synchronized void killed() {
        open.clear();
    }

    private synchronized void closed(FileVolume volume) {
        open.remove(volume);
    }

    @Override
    public synchronized void commit(List<VolumeChange> changes) {
        try {
            for (VolumeChange change : changes) {
                make(change);
            }
        } catch (IOException e) {
            throw ErrorCode.SR_IO_ERROR.because(e.toString(), e);
        }
    }

    private void make(VolumeChange change) throws IOException {
        switch (change) {
            case VolumeChange.Create create -> {
                Files.createFile(path(create.id()));
                attributes.put(create.id(), create.attributes());
            }
            case VolumeChange.Rename rename -> {
                Files.move(
                        path(rename.from()),
                        path(rename.to()),
                        StandardCopyOption.REPLACE_EXISTING);
                attributes.put(rename.to(), attributes.remove(rename.from()));
                hidden.remove(rename.to());
                if (hidden.remove(rename.from())) {
                    hidden.add(rename.to());
                }
                views(rename.from()).toList().forEach(view -> view.renamed(rename.to()));
            }
            case VolumeChange.Delete delete -> {
                if (views(delete.id()).findAny().isPresent()) {
                    throw ErrorCode.SR_VDI_IN_USE.because(delete.id() + " is open");
                }
                Files.deleteIfExists(path(delete.id()));
                attributes.remove(delete.id());
                hidden.remove(delete.id());
            }
            case VolumeChange.SetAttributes set -> attributes.put(set.id(), set.attributes());
            case VolumeChange.SetMarks marks -> {
                if (marks.hidden()) {
                    hidden.add(marks.id());
                } else {
                    hidden.remove(marks.id());
                }
            }
        }
    }

    @Override
    public void recover() {}

    @Override
    public void close() {}
}
