// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.lvm.shared.ClaimTable.Entry;
import dev.varve.sr.lvm.shared.Survey.Neighbour;
import dev.varve.sr.spi.Claims.Claim;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The contest of hosts for a disk, as {@link SharedClaims} describes it.
 *
 * <p><b>Threads:</b> any, one at a time for each disk.
 */
final class Contest {
    private final ClaimArea area;
    private final UUID host;
    private final ClaimSettings settings;
    private final Pace pace;
    private final OwnSlot own;
    private final Looking looking;
    private final Removing removing;

    Contest(
            ClaimArea area,
            UUID host,
            ClaimSettings settings,
            Pace pace,
            OwnSlot own,
            Looking looking,
            Removing removing) {
        this.area = area;
        this.host = host;
        this.settings = settings;
        this.pace = pace;
        this.own = own;
        this.looking = looking;
        this.removing = removing;
    }

    /**
     * Takes a claim in place of the one that this host may have.
     *
     * @throws StorageException SR_VDI_IN_USE; the claim there was stays
     */
    Claim take(UUID vdi, Mode mode) {
        Optional<Entry> before = own.claim(vdi);
        if (before.isPresent() && (before.get().mode() == Mode.WRITE || mode == Mode.READ)) {
            Survey survey = looking.look();
            survey.requireReadable(area);
            return have(vdi, mode, survey);
        }
        long epoch = before.map(Entry::epoch).orElse(0L);
        try {
            return contend(new Entry(vdi, mode, false, epoch), before);
        } catch (RuntimeException | Error e) {
            try {
                own.restore(vdi, before);
            } catch (StorageException again) {
                e.addSuppressed(again);
            }
            throw e;
        }
    }

    private Claim contend(Entry asked, Optional<Entry> before) {
        long deadline = pace.now() + settings.patienceNanos();
        own.put(asked);
        boolean asking = true;
        while (true) {
            Survey survey = looking.look();
            survey.requireReadable(area);
            List<Conflict> conflicts = conflicts(survey, asked.vdi(), asked.mode());
            if (conflicts.isEmpty() && asking) {
                return have(asked.vdi(), asked.mode(), survey);
            }
            for (Conflict each : conflicts) {
                if (each.isFinal() || pace.now() - deadline > 0) {
                    throw inUse(each, asked);
                }
            }
            boolean yields = conflicts.stream().anyMatch(each -> each.goesFirst(own.slot()));
            if (asking && yields) {
                own.restore(asked.vdi(), before);
                asking = false;
            } else if (!asking && !yields) {
                own.put(asked);
                asking = true;
                continue;
            }
            pace.rest(settings.quickNanos());
        }
    }

    /** What another host asks for or has, and that excludes us. */
    record Conflict(Neighbour other, Entry entry) {
        boolean isForAll() {
            return entry.vdi().equals(ClaimTable.ALL);
        }

        boolean isFinal() {
            return entry.had() && !isForAll();
        }

        /** Of two that ask for the same disk the one in the lower place goes on. */
        boolean goesFirst(int ours) {
            return !entry.had() && !isForAll() && other.slot() < ours;
        }
    }

    /** Those that stay when hosts are put out that can be. */
    List<Conflict> conflicts(Survey survey, UUID vdi, Mode mode) {
        List<Conflict> found = new ArrayList<>();
        for (Neighbour other : survey.neighbours(own.slot())) {
            List<Entry> against =
                    other.claims().stream().filter(each -> each.excludes(vdi, mode)).toList();
            if (!against.isEmpty() && !removing.tryRemove(other)) {
                against.forEach(each -> found.add(new Conflict(other, each)));
            }
        }
        return found;
    }

    private Claim have(UUID vdi, Mode mode, Survey survey) {
        Entry entry = new Entry(vdi, mode, true, nextEpoch(survey));
        own.put(entry);
        return claim(entry, host);
    }

    /** Above all epochs that can be seen, and one that no other place gives out. */
    private long nextEpoch(Survey survey) {
        long last = Math.max(survey.lastEpoch(-1), own.lastEpoch());
        return (last / ClaimArea.MOST_SLOTS + 1) * ClaimArea.MOST_SLOTS + own.slot();
    }

    static Claim claim(Entry entry, UUID by) {
        return new Claim(entry.vdi(), by, entry.mode(), entry.epoch());
    }

    private RuntimeException inUse(Conflict conflict, Entry asked) {
        HostRecord record = conflict.other().record();
        return ErrorCode.SR_VDI_IN_USE.because(
                "disk %s cannot be claimed for %s: host %s (process %d) %s it for %s%s"
                        .formatted(
                                asked.vdi(),
                                asked.mode(),
                                record.host(),
                                record.holder().pid(),
                                conflict.entry().had() ? "has" : "asks for",
                                conflict.entry().mode(),
                                silence(conflict.other())));
    }

    private String silence(Neighbour other) {
        long seconds = looking.silentNanos(other) / 1_000_000_000;
        return seconds * 1_000_000_000 < settings.fenceNanos()
                ? ""
                : ", and has been silent for at least %,d s; if it is dead, free its claims"
                        .formatted(seconds);
    }
}
