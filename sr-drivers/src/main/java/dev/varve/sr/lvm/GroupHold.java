// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.shared.ClaimArea;
import dev.varve.sr.lvm.shared.ClaimSettings;
import dev.varve.sr.lvm.shared.Ownership;
import dev.varve.sr.lvm.shared.Pulse;
import dev.varve.sr.lvm.shared.SharedClaims;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Scheduler;
import dev.varve.vdi.time.Waiting;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * What makes a host one of those that use a group: its place among the claims, a claim that says
 * that it has the repository attached, and the beat that keeps both.
 *
 * <p>Nothing is claimed in a group that can only be read: nobody can write that down.
 *
 * <p><b>Threads:</b> any that may wait.
 */
sealed interface GroupHold extends AutoCloseable {
    /** The claims of the repository. */
    Claims claims();

    /** Who may write the group. */
    GroupOwner owner();

    /** What tells whether this host may use the device; nothing where it cannot write. */
    Optional<HostFence> fence();

    /** Fails with SR_UNAVAILABLE when this host cannot say any more that it lives. */
    void check();

    @Override
    void close();

    /** For a host that attaches the repository. */
    static GroupHold take(GroupDevice device, GroupMetadata metadata, UUID sr, SrContext context) {
        if (!device.medium().isWritable() || metadata.refusal().isPresent()) {
            return new ReadOnly();
        }
        PoolTag.require(device, metadata, context.pool());
        ClaimArea area = GroupClaims.ensure(device, metadata, sr, context);
        if (device.isShared()) {
            area.requirePool(context.pool());
        }
        return Kept.take(area, device, context.host(), context, Claims.Mode.READ);
    }

    /**
     * For a host that removes the repository, under a name of its own: even this host itself must
     * not have it attached.
     *
     * @throws StorageException SR_IN_USE when a host has it attached
     */
    static GroupHold takeAlone(
            GroupDevice device, GroupMetadata metadata, UUID sr, SrContext context) {
        PoolTag.require(device, metadata, context.pool());
        ClaimArea area = GroupClaims.ensure(device, metadata, sr, context);
        if (device.isShared()) {
            area.requirePool(context.pool());
        }
        try {
            return Kept.take(area, device, context.random().uuid(), context, Claims.Mode.WRITE);
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
            throw ErrorCode.SR_IN_USE.because(
                    "the repository %s is attached; detach it first: %s"
                            .formatted(sr, e.sentence()),
                    e);
        }
    }

    /** A place among the claims. */
    final class Kept implements GroupHold {
        /** How long a write to a device of this machine may be under way, at most. */
        private static final long LOCAL_GUARD_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

        private final SharedClaims shared;
        private final Claims.Claim attached;
        private final OwnerOnDemand owner;
        private final Scheduler scheduler = Scheduler.system("claims");
        private final Draining work;
        private final Pulse pulse;

        private Kept(SharedClaims shared, UUID sr, Claims.Claim attached, Executor blocking) {
            Ownership ownership = new Ownership(shared);
            this.shared = shared;
            this.attached = attached;
            this.owner = new OwnerOnDemand(ownership, sr);
            this.work = new Draining(blocking);
            this.pulse = new Pulse(shared, ownership, scheduler, work);
        }

        static GroupHold take(
                ClaimArea area,
                GroupDevice device,
                UUID host,
                SrContext context,
                Claims.Mode mode) {
            ClaimSettings settings = ClaimSettings.shared();
            SharedClaims shared =
                    SharedClaims.attach(
                            area,
                            host,
                            device.isShared() ? settings : settings.withGuard(LOCAL_GUARD_NANOS),
                            context.clock(),
                            context.random(),
                            Waiting.threads());
            try {
                Claims.Claim attached = shared.acquire(attachment(area.sr()), mode);
                return new Kept(shared, area.sr(), attached, context.blocking());
            } catch (StorageException e) {
                shared.close();
                throw e;
            }
        }

        /** What is claimed by whoever has a repository attached; no disk has this name. */
        private static UUID attachment(UUID sr) {
            return UUID.nameUUIDFromBytes(("attached " + sr).getBytes(StandardCharsets.UTF_8));
        }

        @Override
        public Claims claims() {
            return shared;
        }

        @Override
        public GroupOwner owner() {
            return owner;
        }

        @Override
        public Optional<HostFence> fence() {
            return Optional.of(shared);
        }

        @Override
        public void check() {
            if (shared.isFenced()) {
                throw ErrorCode.SR_UNAVAILABLE.because(
                        "this host could not say for a while that it lives, so that another one may"
                            + " have taken its place; it goes on when the device answers, or when"
                            + " the repository is plugged in again");
            }
        }

        /** Nothing of it uses the device any more when this returns. */
        @Override
        public void close() {
            pulse.close();
            work.close();
            scheduler.close();
            try (SharedClaims _ = shared) {
                owner.release();
                shared.release(attached);
            }
        }
    }

    /** A group that can only be read. */
    record ReadOnly() implements GroupHold {
        @Override
        public Claims claims() {
            return ReadOnlyClaims.INSTANCE;
        }

        /** Nobody writes here, whoever it is. */
        @Override
        public GroupOwner owner() {
            return GroupOwner.alone();
        }

        @Override
        public Optional<HostFence> fence() {
            return Optional.empty();
        }

        @Override
        public void check() {
            // What can only be read need not say that anybody lives.
        }

        @Override
        public void close() {
            // Nothing is held.
        }
    }
}
