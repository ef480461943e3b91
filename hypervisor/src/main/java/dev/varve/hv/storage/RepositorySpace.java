// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * The space of repositories that are attached: what is written down of it, who is told, and what
 * happens when there is none.
 *
 * <p><b>Threads:</b> any.
 */
public final class RepositorySpace {
    /** The key of other_config that says what happens to writes for which there is no room. */
    private static final String WHEN_FULL = "when-full";

    private final Database database;
    private final VdiScanner scanner;
    private final SpaceAlarms alarms;
    private final RoomWatch.WhenFull standard;

    /**
     * @param standard what happens to writes for which there is no room, in repositories that do
     *     not say themselves
     */
    RepositorySpace(StorageEnvironment env, VdiScanner scanner, RoomWatch.WhenFull standard) {
        this.database = env.database();
        this.scanner = scanner;
        this.alarms = new SpaceAlarms(env);
        this.standard = standard;
    }

    /** What happens to a write for which there is no room, by the word for it. */
    public static Optional<RoomWatch.WhenFull> whenFull(String word) {
        return switch (word) {
            case "wait" -> Optional.of(RoomWatch.WhenFull.WAIT);
            case "fail" -> Optional.of(RoomWatch.WhenFull.FAIL);
            default -> Optional.empty();
        };
    }

    /** What the disks of a repository have in common when it is full. */
    RoomWatch watch(String sr) {
        // Asked on lanes, which do not wait: the rows are in memory.
        RoomWatch room = new RoomWatch(() -> chosen(sr));
        alarms.attached(sr, room);
        return room;
    }

    private RoomWatch.WhenFull chosen(String sr) {
        return database.find(sr)
                .map(row -> row.map("other_config").get(WHEN_FULL))
                .flatMap(RepositorySpace::whenFull)
                .orElse(standard);
    }

    /** Finds out the sizes of a repository anew. */
    void sizes(ApiObject sr, AttachedRepository repository) {
        StoreSpace space = repository.session().sr().volumes().space();
        alarms.looked(database.get("SR", sr.ref()), space);
        scanner.sizes(sr, space);
    }

    /**
     * Finds out what changes without anybody doing anything: the space of a repository and of its
     * disks that are written. Looks at nothing else.
     */
    void lookAfter(String sr, AttachedRepository repository, Collection<ApiObject> written) {
        VolumeStore volumes = repository.session().sr().volumes();
        Map<String, Long> changed = new TreeMap<>();
        for (ApiObject vdi : written) {
            UUID uuid = UUID.fromString(vdi.uuid());
            Stream.of(VolumeKind.VHD, VolumeKind.RAW)
                    .flatMap(kind -> volumes.find(new VolumeId(kind, uuid)).stream())
                    .filter(volume -> volume.allocatedBytes() != vdi.number("physical_utilisation"))
                    .forEach(volume -> changed.put(vdi.ref(), volume.allocatedBytes()));
        }
        if (!changed.isEmpty()) {
            database.write(
                    batch -> {
                        changed.forEach(
                                (ref, bytes) ->
                                        batch.find(ref)
                                                .map(row -> row.with("physical_utilisation", bytes))
                                                .ifPresent(batch::put));
                        return null;
                    });
        }
        sizes(database.get("SR", sr), repository);
    }

    /** A repository is not attached any more. */
    void forget(String sr) {
        alarms.forget(sr);
    }
}
