// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How much memory all lanes of a daemon may use together for metadata of images: one bound, and a
 * {@link MetadataCache} for each lane, since what a lane keeps is touched by that lane only.
 *
 * <p>A lane that needs room evicts its own pages first. One that has less than an equal share and
 * finds no room asks those with more to give some back.
 *
 * <p>What cannot be evicted, because it was changed and is not on storage yet or is just being
 * read, may exceed the bound for a moment; it is itself bounded, since lanes commit when they have
 * much of it.
 *
 * <p><b>Threads:</b> any.
 */
public final class MetadataBudget {
    private record Member(MetadataCache cache, Executor lane) {}

    private final long limitBytes;
    private final AtomicLong usedBytes = new AtomicLong();
    private final List<Member> members = new CopyOnWriteArrayList<>();

    /**
     * A budget that nobody uses yet.
     *
     * @param limitBytes how many bytes of memory pages take together at the most
     */
    public MetadataBudget(long limitBytes) {
        this.limitBytes = limitBytes;
    }

    /**
     * The cache of a lane.
     *
     * @param lane runs a task on the lane, soon
     */
    public MetadataCache open(Executor lane) {
        MetadataCache cache = new MetadataCache(this);
        members.add(new Member(cache, lane));
        return cache;
    }

    void add(long bytes) {
        usedBytes.addAndGet(bytes);
    }

    boolean isExceeded() {
        return usedBytes.get() > limitBytes;
    }

    long shareBytes() {
        return limitBytes / Math.max(1, members.size());
    }

    /** Has lanes with more than their share give some back. */
    void askOthers(MetadataCache asking) {
        for (Member member : members) {
            if (member.cache != asking && member.cache.usedBytes() > shareBytes()) {
                member.lane.execute(member.cache::trim);
            }
        }
    }

    /** How much memory the pages of all lanes take now, in bytes. */
    public long usedBytes() {
        return usedBytes.get();
    }

    /** The bound in bytes. */
    public long limitBytes() {
        return limitBytes;
    }
}
