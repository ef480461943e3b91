// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.meta.GroupMetadata;

import java.util.UUID;
import java.util.concurrent.Executor;

/**
 * What a store of logical volumes works with.
 *
 * @param medium the device that holds the group; not closed with the store
 * @param metadata the group's metadata, read from it
 * @param owner who may write the group
 * @param settings how volumes grow
 * @param blocking where work that blocks on the medium may run
 * @param host the UUID of this host
 */
public record LvmAccess(
        BlockMedium medium,
        GroupMetadata metadata,
        GroupOwner owner,
        LvmStoreSettings settings,
        Executor blocking,
        UUID host) {}
