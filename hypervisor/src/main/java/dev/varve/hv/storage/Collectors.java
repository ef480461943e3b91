// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.vdi.StorageException;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The collectors of all attached repositories, by the reference of the repository.
 *
 * <p><b>Threads:</b> any.
 */
final class Collectors {
    private static final Logger LOG = LoggerFactory.getLogger(Collectors.class);

    private final StorageEnvironment env;
    private final SrManager repositories;
    private final Map<String, Collector> collectors = new ConcurrentHashMap<>();

    Collectors(StorageEnvironment env, SrManager repositories) {
        this.env = env;
        this.repositories = repositories;
        env.database().listen(this::changed);
    }

    private void changed(ApiObject before, ApiObject after) {
        if (ChainPolicy.concerns(before, after)) {
            String sr = after.type().name().equals("VDI") ? after.text("SR") : after.ref();
            find(sr).ifPresent(Collector::policyChanged);
        }
    }

    private Optional<Collector> find(String sr) {
        return Optional.ofNullable(collectors.get(sr));
    }

    /**
     * Finishes what a crash has interrupted in a repository that is being attached. Nothing else is
     * done before {@link #wake}.
     */
    void prepare(ApiObject sr, AttachedRepository repository) {
        Collector collector = new Collector(env, repositories, sr, repository);
        collectors.put(sr.ref(), collector);
        collector.prepare();
    }

    /** Something has changed in a repository. */
    void wake(String sr) {
        find(sr).ifPresent(Collector::wake);
    }

    /**
     * Stops for a while.
     *
     * @throws StorageException OTHER_OPERATION_IN_PROGRESS when storage does not answer
     */
    void stop(String sr) {
        Optional<Collector> collector = find(sr);
        try {
            collector.ifPresent(Collector::stop);
        } catch (StorageException e) {
            resume(sr);
            throw e;
        }
    }

    /** Goes on after {@link #stop}. */
    void resume(String sr) {
        find(sr).ifPresent(Collector::resume);
    }

    /** Stops all; a repository whose storage does not answer does not hinder the others. */
    void stopAll() {
        for (Map.Entry<String, Collector> each : collectors.entrySet()) {
            try {
                each.getValue().stop();
            } catch (StorageException e) {
                LOG.error("merges of repository {} go on", each.getKey(), e);
            }
        }
    }

    /** After {@link #stop}: has nothing to do with a repository any more. */
    void close(String sr) {
        find(sr).ifPresent(Collector::close);
        collectors.remove(sr);
    }

    /** How it stands with the chains of a repository, if that is attached. */
    Optional<ChainStatus> status(String sr) {
        return find(sr).map(Collector::status);
    }
}
